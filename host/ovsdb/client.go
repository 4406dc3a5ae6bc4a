package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/go-logr/logr"
	"github.com/ovn-org/libovsdb/cache"
	"github.com/ovn-org/libovsdb/client"
	"github.com/ovn-org/libovsdb/model"
	"github.com/ovn-org/libovsdb/ovsdb"
)

// Tables of the Open_vSwitch database.
const (
	rootTable      = "Open_vSwitch"
	bridgeTable    = "Bridge"
	portTable      = "Port"
	interfaceTable = "Interface"
)

// reconnectAttempt bounds one attempt to connect again; reconnectPause is the longest wait between two attempts.
const (
	reconnectAttempt = 5 * time.Second
	reconnectPause   = time.Second
)

// Client is a connection to one ovsdb-server. It connects again by itself. It is safe for concurrent use.
type Client struct {
	db     client.Client
	logger *slog.Logger

	mu      sync.Mutex
	changed chan struct{}       // closed and replaced at each change of the cache
	numbers map[string]numbered // OpenFlow port numbers handed out, by bridge
}

// Connect opens the database at endpoint, for example "unix:/var/run/openvswitch/db.sock", and returns once its content has
// been read. The error names the endpoint; that nothing listens there means that ovsdb-server is not running.
// Close ends the connection; ctx is for connecting only.
func Connect(ctx context.Context, endpoint string, logger *slog.Logger) (*Client, error) {
	schema, err := model.NewClientDBModel(rootTable, map[string]model.Model{
		rootTable: &rootRow{}, bridgeTable: &bridgeRow{}, portTable: &portRow{}, interfaceTable: &interfaceRow{},
	})
	if err != nil {
		return nil, fmt.Errorf("describe the tables of the Open vSwitch database: %w", err)
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = 50 * time.Millisecond
	pause.MaxInterval = reconnectPause
	pause.MaxElapsedTime = 0 // for ever: without the database there is nothing else to do
	log := logr.FromSlogHandler(logger.Handler())
	db, err := client.NewOVSDBClient(schema, client.WithEndpoint(endpoint), client.WithLogger(&log),
		// Not WithInactivityCheck: in v0.7.0 a transaction that meets the end of
		// the connection sends on a channel that the check has closed, and panics.
		// A unix socket does not fall silent without ending.
		client.WithReconnect(reconnectAttempt, pause))
	if err != nil {
		return nil, fmt.Errorf("prepare a client of the Open vSwitch database at %s: %w", endpoint, err)
	}
	c := &Client{db: db, logger: logger, changed: make(chan struct{}), numbers: map[string]numbered{}}
	if err := db.Connect(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("connect to the Open vSwitch database at %s (is ovsdb-server running?): %w", endpoint, err)
	}
	db.Cache().AddEventHandler(&cache.EventHandlerFuncs{
		AddFunc:    func(string, model.Model) { c.wake() },
		UpdateFunc: func(string, model.Model, model.Model) { c.wake() },
		DeleteFunc: func(string, model.Model) { c.wake() },
	})
	root, bridge, port, iface := &rootRow{}, &bridgeRow{}, &portRow{}, &interfaceRow{}
	_, err = db.Monitor(ctx, db.NewMonitor(
		client.WithTable(root, &root.Bridges, &root.CurCfg, &root.NextCfg, &root.DatapathTypes, &root.OVSVersion),
		client.WithTable(bridge, &bridge.Name, &bridge.Ports, &bridge.FailMode, &bridge.DatapathType, &bridge.DatapathID,
			&bridge.Protocols, &bridge.OtherConfig, &bridge.ExternalIDs),
		client.WithTable(port, &port.Name, &port.Interfaces),
		client.WithTable(iface, &iface.Name, &iface.Type, &iface.MAC, &iface.MACInUse, &iface.MTU, &iface.MTURequest,
			&iface.OFPort, &iface.OFPortRequest, &iface.Error, &iface.ExternalIDs),
	))
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("read the Open vSwitch database at %s: %w", endpoint, err)
	}
	return c, nil
}

// Close ends the connection. Calls that are under way fail.
func (c *Client) Close() { c.db.Close() }

// Connected says whether the database answers at this moment.
func (c *Client) Connected() bool { return c.db.Connected() }

// Changed returns a channel that is closed at the next change of anything that this package reads.
func (c *Client) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

func (c *Client) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}

// until returns once done says so, asked again at each change. The error is ctx's or done's.
func (c *Client) until(ctx context.Context, done func() (bool, error)) error {
	for {
		next := c.Changed() // taken before asking, so that a change in between is not missed
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-next:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// transact runs the operations as one transaction, all or none.
func (c *Client) transact(ctx context.Context, operations ...ovsdb.Operation) ([]ovsdb.OperationResult, error) {
	results, err := c.db.Transact(ctx, operations...)
	if err != nil {
		return nil, err
	}
	refused, err := ovsdb.CheckOperationResults(results, operations)
	if err != nil {
		errs := []error{err}
		for _, r := range refused {
			errs = append(errs, r)
		}
		return nil, errors.Join(errs...)
	}
	return results, nil
}

// find reads the row that has the same name as row from the cache.
func find[T model.Model](ctx context.Context, c *Client, row T) (bool, error) {
	err := c.db.Get(ctx, row)
	if errors.Is(err, client.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
