package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// GatewayOptions describe the bridge's internal port, through which the host and the Pods reach each other.
type GatewayOptions struct {
	Bridge string
	Name   string // for example "sluice-gw0"
	MAC    net.HardwareAddr
	MTU    int    // bytes
	OFPort uint32 // 0 lets this package choose
}

// EnsureGateway makes the internal port or repairs the address and MTU that the database asks for, and returns its OpenFlow
// port number once ovs-vswitchd has made the network device.
func (c *Client) EnsureGateway(ctx context.Context, opts GatewayOptions) (uint32, error) {
	row := &interfaceRow{Name: opts.Name}
	found, err := find(ctx, c, row)
	if err != nil {
		return 0, fmt.Errorf("look for gateway %s: %w", opts.Name, err)
	}
	if !found {
		number, err := c.AddPort(ctx, PortOptions{
			Bridge: opts.Bridge, Name: opts.Name, OFPort: opts.OFPort, kind: "internal", mac: opts.MAC.String(), mtuRequest: opts.MTU,
		})
		if err != nil {
			return 0, fmt.Errorf("make gateway %s: %w", opts.Name, err)
		}
		return number, c.waitMTU(ctx, opts.Name, opts.MTU)
	}
	owner, err := c.Owner(ctx, opts.Name)
	if err != nil {
		return 0, fmt.Errorf("look for the bridge of gateway %s: %w", opts.Name, err)
	}
	if owner != opts.Bridge {
		return 0, &OtherBridgeError{Port: opts.Name, Bridge: owner}
	}
	var fields []any
	if mac := opts.MAC.String(); valueOr(row.MAC, "") != mac {
		row.MAC = &mac
		fields = append(fields, &row.MAC)
	}
	if valueOr(row.MTURequest, 0) != opts.MTU {
		row.MTURequest = &opts.MTU
		fields = append(fields, &row.MTURequest)
	}
	if len(fields) > 0 {
		operations, err := c.db.Where(row).Update(row, fields...)
		if err != nil {
			return 0, fmt.Errorf("describe gateway %s: %w", opts.Name, err)
		}
		if _, err := c.transact(ctx, operations...); err != nil {
			return 0, fmt.Errorf("write gateway %s: %w", opts.Name, err)
		}
	}
	number, err := c.waitPort(ctx, opts.Name)
	if err != nil {
		return 0, fmt.Errorf("gateway %s: %w", opts.Name, err)
	}
	if len(fields) == 0 { // ovs-vswitchd looks at mtu_request when it changes, and not when somebody changes the device
		return number, nil
	}
	return number, c.waitMTU(ctx, opts.Name, opts.MTU)
}

// waitMTU returns once the network device has the MTU asked for.
func (c *Client) waitMTU(ctx context.Context, name string, mtu int) error {
	last := 0
	err := c.until(ctx, func() (bool, error) {
		row := &interfaceRow{Name: name}
		found, err := find(ctx, c, row)
		if err == nil && !found {
			err = errors.New("it was deleted")
		}
		last = valueOr(row.MTU, 0)
		return last == mtu, err
	})
	if err != nil {
		return fmt.Errorf("wait for MTU %d of %s, which has %d: %w", mtu, name, last, err)
	}
	return nil
}
