package ovsdb

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"slices"

	"github.com/ovn-org/libovsdb/model"
	"github.com/ovn-org/libovsdb/ovsdb"
)

// Datapath types, as in the column Bridge.datapath_type.
const (
	SystemDatapath = "system" // in the kernel, by the module openvswitch
	NetdevDatapath = "netdev" // in ovs-vswitchd itself
)

const secure = "secure"

// protocols are the OpenFlow versions a new bridge offers: 1.5 for the agent, the others for a person with ovs-ofctl.
var protocols = [...]string{"OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"}

// BridgeOptions describe Sluice's bridge.
type BridgeOptions struct {
	Name         string // for example "br-sluice"
	DatapathType string // SystemDatapath or NetdevDatapath
	// HardwareAddr becomes other_config:hwaddr of a new bridge; nil means a random one, chosen once and kept in the database.
	HardwareAddr net.HardwareAddr
}

// Bridge is what EnsureBridge found or made.
type Bridge struct {
	Created      bool
	HardwareAddr net.HardwareAddr
	DatapathID   string // 16 hexadecimal digits
}

// EnsureBridge makes the bridge, or leaves it alone if it is there and right, and returns once ovs-vswitchd has it.
// A new bridge gets fail_mode=secure in the transaction that makes it, so it never forwards a frame without a flow.
//
// A bridge of this name with another datapath type is an error: changing it would throw away all ports and flows.
// A wrong fail_mode is repaired, which makes ovs-vswitchd flush the bridge's flows; that is logged.
func (c *Client) EnsureBridge(ctx context.Context, opts BridgeOptions) (Bridge, error) {
	if opts.DatapathType != SystemDatapath && opts.DatapathType != NetdevDatapath {
		return Bridge{}, fmt.Errorf("bridge %s: datapath type %q is neither %s nor %s", opts.Name, opts.DatapathType, SystemDatapath, NetdevDatapath)
	}
	row := &bridgeRow{Name: opts.Name}
	found, err := find(ctx, c, row)
	if err != nil {
		return Bridge{}, fmt.Errorf("look for bridge %s: %w", opts.Name, err)
	}
	operations, err := c.bridgeOperations(ctx, opts, row, found)
	if err != nil {
		return Bridge{}, err
	}
	if len(operations) > 0 {
		config, err := c.apply(ctx, operations...)
		if err != nil {
			return Bridge{}, fmt.Errorf("write bridge %s: %w", opts.Name, err)
		}
		if err := c.waitApplied(ctx, config); err != nil {
			return Bridge{}, fmt.Errorf("bridge %s: %w", opts.Name, err)
		}
	}
	return c.waitBridge(ctx, opts.Name, !found)
}

// bridgeOperations says what has to be written; nothing if the bridge is right.
func (c *Client) bridgeOperations(ctx context.Context, opts BridgeOptions, row *bridgeRow, found bool) ([]ovsdb.Operation, error) {
	if !found {
		return c.newBridge(ctx, opts)
	}
	if have := datapathType(row.DatapathType); have != opts.DatapathType {
		return nil, fmt.Errorf("bridge %s has datapath_type %s, want %s: configure %s, or delete the bridge with `ovs-vsctl del-br %s` when no Pod is attached",
			opts.Name, have, opts.DatapathType, have, opts.Name)
	}
	var fields []any
	if valueOr(row.FailMode, "") != secure {
		c.logger.Warn("the bridge's fail_mode is wrong and gets repaired; ovs-vswitchd flushes its flows",
			"bridge", opts.Name, "fail_mode", valueOr(row.FailMode, ""), "want", secure)
		mode := secure
		row.FailMode = &mode
		fields = append(fields, &row.FailMode)
	}
	if len(row.Protocols) > 0 && !slices.Contains(row.Protocols, "OpenFlow15") {
		row.Protocols = append(row.Protocols, "OpenFlow15")
		fields = append(fields, &row.Protocols)
	}
	if len(fields) == 0 {
		return nil, nil
	}
	return c.db.Where(row).Update(row, fields...)
}

// datapathType reads the column: empty means the kernel datapath.
func datapathType(column string) string {
	if column == "" {
		return SystemDatapath
	}
	return column
}

func (c *Client) newBridge(ctx context.Context, opts BridgeOptions) ([]ovsdb.Operation, error) {
	mac := opts.HardwareAddr
	if mac == nil {
		mac = randomMAC()
	}
	mode := secure
	iface := &interfaceRow{UUID: "local_interface", Name: opts.Name, Type: "internal"}
	port := &portRow{UUID: "local_port", Name: opts.Name, Interfaces: []string{iface.UUID}}
	bridge := &bridgeRow{
		UUID: "new_bridge", Name: opts.Name, Ports: []string{port.UUID}, FailMode: &mode,
		DatapathType: opts.DatapathType, Protocols: protocols[:], OtherConfig: map[string]string{"hwaddr": mac.String()},
	}
	operations, err := c.db.Create(iface, port, bridge)
	if err != nil {
		return nil, fmt.Errorf("describe bridge %s: %w", opts.Name, err)
	}
	root, err := c.root(ctx)
	if err != nil {
		return nil, err
	}
	link, err := c.db.Where(root).Mutate(root, model.Mutation{
		Field: &root.Bridges, Mutator: ovsdb.MutateOperationInsert, Value: []string{bridge.UUID},
	})
	if err != nil {
		return nil, fmt.Errorf("describe bridge %s: %w", opts.Name, err)
	}
	return append(operations, link...), nil
}

// randomMAC is a locally administered unicast address.
func randomMAC() net.HardwareAddr {
	mac := make(net.HardwareAddr, 6)
	rand.Read(mac) // never fails, by its documentation
	mac[0] = mac[0]&^1 | 2
	return mac
}

// waitBridge returns once ovs-vswitchd has given the bridge its identity and its local port.
func (c *Client) waitBridge(ctx context.Context, name string, created bool) (Bridge, error) {
	result := Bridge{Created: created}
	if _, err := c.waitPort(ctx, name); err != nil {
		return Bridge{}, fmt.Errorf("bridge %s: %w", name, err)
	}
	err := c.until(ctx, func() (bool, error) {
		row := &bridgeRow{Name: name}
		found, err := find(ctx, c, row)
		if err != nil {
			return false, err
		}
		if !found {
			return false, fmt.Errorf("bridge %s was deleted while waiting for it", name)
		}
		result.DatapathID = valueOr(row.DatapathID, "")
		result.HardwareAddr, _ = net.ParseMAC(row.OtherConfig["hwaddr"]) // absent on a bridge that somebody else made
		return result.DatapathID != "", nil
	})
	if err != nil {
		return Bridge{}, fmt.Errorf("wait for ovs-vswitchd to make bridge %s: %w", name, err)
	}
	return result, nil
}

// DeleteBridge removes the bridge with all its ports. A bridge that is not there is no error.
func (c *Client) DeleteBridge(ctx context.Context, name string) error {
	row := &bridgeRow{Name: name}
	found, err := find(ctx, c, row)
	if err != nil {
		return fmt.Errorf("look for bridge %s: %w", name, err)
	}
	if !found {
		return nil
	}
	root, err := c.root(ctx)
	if err != nil {
		return err
	}
	unlink, err := c.db.Where(root).Mutate(root, model.Mutation{
		Field: &root.Bridges, Mutator: ovsdb.MutateOperationDelete, Value: []string{row.UUID},
	})
	if err != nil {
		return fmt.Errorf("describe the removal of bridge %s: %w", name, err)
	}
	config, err := c.apply(ctx, unlink...)
	if err != nil {
		return fmt.Errorf("delete bridge %s: %w", name, err)
	}
	if err := c.waitApplied(ctx, config); err != nil {
		return fmt.Errorf("delete bridge %s: %w", name, err)
	}
	return nil
}
