package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/ovn-org/libovsdb/model"
	"github.com/ovn-org/libovsdb/ovsdb"
)

// PortOptions describe a port of the bridge. Name is the name of the network device, of 15 bytes at most.
type PortOptions struct {
	Bridge string
	Name   string
	// ExternalIDs are written to the Interface, in the transaction that makes the port.
	ExternalIDs map[string]string
	// OFPort is the OpenFlow port number to ask for; 0 lets this package choose one that no other port has.
	OFPort uint32

	kind       string // Interface.type: empty is a network device that exists
	mac        string
	mtuRequest int
}

// Port is a port of a bridge.
type Port struct {
	Name        string
	OFPort      uint32 // 0 until ovs-vswitchd has given a number, or if it refused the port
	Error       string // ovs-vswitchd's reason for refusing the port
	MTU         int    // bytes; 0 if not known
	ExternalIDs map[string]string

	requested int
}

// OtherBridgeError says that a network device is a port of another bridge already.
type OtherBridgeError struct{ Port, Bridge string }

func (e *OtherBridgeError) Error() string {
	return fmt.Sprintf("%s is a port of the Open vSwitch bridge %s", e.Port, e.Bridge)
}

// RefusedError says that ovs-vswitchd does not take a network device as a port. Reason is its own text.
type RefusedError struct{ Port, Reason string }

func (e *RefusedError) Error() string {
	return fmt.Sprintf("ovs-vswitchd refuses port %s: %s", e.Port, e.Reason)
}

// AddPort adds a network device to the bridge and returns its OpenFlow port number once ovs-vswitchd has given it.
// A port that is there already keeps its number and gets the external ids given.
//
// The errors are *OtherBridgeError, *RefusedError (the port is taken away again), or what went wrong with the database.
// When ctx ends before ovs-vswitchd answers, the port stays: call DelPort.
func (c *Client) AddPort(ctx context.Context, opts PortOptions) (uint32, error) {
	if err := c.putPort(ctx, opts); err != nil {
		return 0, fmt.Errorf("add port %s to bridge %s: %w", opts.Name, opts.Bridge, err)
	}
	number, err := c.waitPort(ctx, opts.Name)
	var refused *RefusedError
	if errors.As(err, &refused) {
		return 0, errors.Join(err, c.DelPort(ctx, opts.Bridge, opts.Name))
	}
	return number, err
}

func (c *Client) putPort(ctx context.Context, opts PortOptions) error {
	owner, err := c.Owner(ctx, opts.Name)
	if err != nil {
		return err
	}
	switch owner {
	case "":
		return c.insertPort(ctx, opts)
	case opts.Bridge:
		return c.SetExternalIDs(ctx, opts.Name, opts.ExternalIDs)
	default:
		return &OtherBridgeError{Port: opts.Name, Bridge: owner}
	}
}

// Owner names the bridge that has the port; empty if none has.
func (c *Client) Owner(ctx context.Context, port string) (string, error) {
	row := &portRow{Name: port}
	found, err := find(ctx, c, row)
	if err != nil || !found {
		return "", err
	}
	var owners []bridgeRow
	err = c.db.WhereCache(func(b *bridgeRow) bool {
		for _, uuid := range b.Ports {
			if uuid == row.UUID {
				return true
			}
		}
		return false
	}).List(ctx, &owners)
	if err != nil || len(owners) == 0 {
		return "", err
	}
	return owners[0].Name, nil
}

func (c *Client) insertPort(ctx context.Context, opts PortOptions) error {
	number := int(opts.OFPort)
	if number == 0 {
		taken, err := c.takeNumber(ctx, opts.Bridge)
		if err != nil {
			return err
		}
		defer c.giveNumber(opts.Bridge, taken)
		number = taken
	}
	iface := &interfaceRow{
		UUID: "new_interface", Name: opts.Name, Type: opts.kind, OFPortRequest: &number, ExternalIDs: opts.ExternalIDs,
	}
	if opts.mac != "" {
		iface.MAC = &opts.mac
	}
	if opts.mtuRequest != 0 {
		iface.MTURequest = &opts.mtuRequest
	}
	port := &portRow{UUID: "new_port", Name: opts.Name, Interfaces: []string{iface.UUID}}
	operations, err := c.db.Create(iface, port)
	if err != nil {
		return err
	}
	bridge := &bridgeRow{Name: opts.Bridge}
	link, err := c.db.Where(bridge).Mutate(bridge, model.Mutation{
		Field: &bridge.Ports, Mutator: ovsdb.MutateOperationInsert, Value: []string{port.UUID},
	})
	if err != nil {
		return err
	}
	results, err := c.transact(ctx, append(operations, link...)...)
	if err != nil {
		return err
	}
	if results[len(operations)].Count != 1 { // the port went with its last reference
		return fmt.Errorf("there is no bridge %s", opts.Bridge)
	}
	return nil
}

// waitPort returns the port's number, or *RefusedError.
func (c *Client) waitPort(ctx context.Context, name string) (uint32, error) {
	var number uint32
	err := c.until(ctx, func() (bool, error) {
		row := &interfaceRow{Name: name}
		found, err := find(ctx, c, row)
		switch {
		case err != nil:
			return false, err
		case !found:
			return false, fmt.Errorf("port %s was deleted while waiting for its number", name)
		case valueOr(row.OFPort, 0) > 0:
			number = uint32(*row.OFPort)
			return true, nil
		case valueOr(row.Error, "") != "":
			return false, &RefusedError{Port: name, Reason: *row.Error}
		case valueOr(row.OFPort, 0) < 0:
			return false, &RefusedError{Port: name, Reason: "no reason given; see ovs-vswitchd's log"}
		}
		return false, nil
	})
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("wait for the OpenFlow number of port %s: %w: %w", name, ErrNotApplied, err)
	}
	return number, err
}

// SetExternalIDs gives the Interface exactly these external ids. Nothing is written if it has them.
func (c *Client) SetExternalIDs(ctx context.Context, name string, ids map[string]string) error {
	row := &interfaceRow{Name: name}
	found, err := find(ctx, c, row)
	if err != nil {
		return fmt.Errorf("read port %s: %w", name, err)
	}
	if !found {
		return fmt.Errorf("write external_ids of port %s: there is no such port", name)
	}
	if maps.Equal(row.ExternalIDs, ids) {
		return nil
	}
	row.ExternalIDs = ids
	operations, err := c.db.Where(row).Update(row, &row.ExternalIDs)
	if err != nil {
		return fmt.Errorf("describe external_ids of port %s: %w", name, err)
	}
	if _, err := c.transact(ctx, operations...); err != nil {
		return fmt.Errorf("write external_ids of port %s: %w", name, err)
	}
	return nil
}

// DelPort takes a port off the bridge and returns once ovs-vswitchd has let go of the network device. A port that is not
// there is no error. ErrNotApplied means that the database has forgotten the port but ovs-vswitchd has not answered.
func (c *Client) DelPort(ctx context.Context, bridge, name string) error {
	port := &portRow{Name: name}
	found, err := find(ctx, c, port)
	if err != nil {
		return fmt.Errorf("look for port %s: %w", name, err)
	}
	if !found {
		return nil
	}
	owner, err := c.Owner(ctx, name)
	if err != nil {
		return fmt.Errorf("look for the bridge of port %s: %w", name, err)
	}
	if owner != bridge {
		return &OtherBridgeError{Port: name, Bridge: owner}
	}
	row := &bridgeRow{Name: bridge}
	unlink, err := c.db.Where(row).Mutate(row, model.Mutation{
		Field: &row.Ports, Mutator: ovsdb.MutateOperationDelete, Value: []string{port.UUID},
	})
	if err != nil {
		return fmt.Errorf("describe the removal of port %s: %w", name, err)
	}
	config, err := c.apply(ctx, unlink...)
	if err != nil {
		return fmt.Errorf("delete port %s from bridge %s: %w", name, bridge, err)
	}
	if err := c.waitApplied(ctx, config); err != nil {
		return fmt.Errorf("delete port %s from bridge %s: %w", name, bridge, err)
	}
	return nil
}

// Port reads one port. The boolean says whether it is there.
func (c *Client) Port(ctx context.Context, name string) (Port, bool, error) {
	row := &interfaceRow{Name: name}
	found, err := find(ctx, c, row)
	if err != nil {
		return Port{}, false, fmt.Errorf("read port %s: %w", name, err)
	}
	return portOf(row), found, nil
}

// Ports lists the ports of the bridge, its own local port included. A bridge that is not there has none.
func (c *Client) Ports(ctx context.Context, bridge string) ([]Port, error) {
	row := &bridgeRow{Name: bridge}
	found, err := find(ctx, c, row)
	if err != nil || !found {
		return nil, err
	}
	members := make(map[string]bool, len(row.Ports))
	for _, uuid := range row.Ports {
		members[uuid] = true
	}
	var ports []portRow
	if err := c.db.WhereCache(func(p *portRow) bool { return members[p.UUID] }).List(ctx, &ports); err != nil {
		return nil, fmt.Errorf("list the ports of bridge %s: %w", bridge, err)
	}
	wanted := make(map[string]bool, len(ports))
	for _, p := range ports {
		for _, uuid := range p.Interfaces {
			wanted[uuid] = true
		}
	}
	var rows []interfaceRow
	if err := c.db.WhereCache(func(i *interfaceRow) bool { return wanted[i.UUID] }).List(ctx, &rows); err != nil {
		return nil, fmt.Errorf("list the interfaces of bridge %s: %w", bridge, err)
	}
	result := make([]Port, len(rows))
	for i := range rows {
		result[i] = portOf(&rows[i])
	}
	return result, nil
}

func portOf(row *interfaceRow) Port {
	return Port{
		Name: row.Name, OFPort: uint32(max(0, valueOr(row.OFPort, 0))), Error: valueOr(row.Error, ""),
		MTU: valueOr(row.MTU, 0), ExternalIDs: row.ExternalIDs, requested: valueOr(row.OFPortRequest, 0),
	}
}
