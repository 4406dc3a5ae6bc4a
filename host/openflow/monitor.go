package openflow

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// FlowUpdate is a change of the flow tables that did not come through this connection.
type FlowUpdate struct {
	Event FlowEvent
	// Flow is the flow as it is now, or was when it was removed. Its Flags and Importance are not known.
	Flow Flow
}

// FlowEvent is what happened to a flow.
type FlowEvent uint8

// What can happen to flows.
const (
	FlowAdded FlowEvent = iota + 1
	FlowRemoved
	FlowModified
	// UpdatesLost says that so many updates came without being taken that some are missing: dump and compare. Flow is the zero Flow.
	UpdatesLost
)

// ErrMonitored says that there is a monitor on the connection already; it has one at most.
var ErrMonitored = errors.New("the connection has a flow monitor already")

const (
	monitorFlags  = 2 | 4 | 8 | 16 // added, removed, modified; with instructions
	monitorAdd    = 0
	monitorDelete = 2
	monitorID     = 1

	eventAdded    = 1
	eventRemoved  = 2
	eventModified = 3

	// monitorRoom is how many messages of updates wait before further ones are dropped and UpdatesLost is reported.
	monitorRoom = 4096
)

// MonitorFlows reports changes of the flow tables that others make: other connections, learn actions, time-outs.
// What this connection changes is not reported. The channel is closed when the context or the connection ends.
func (c *Conn) MonitorFlows(ctx context.Context) (<-chan FlowUpdate, error) {
	box := newMailbox()
	box.limit = monitorRoom
	c.mu.Lock()
	if c.monitor != nil {
		c.mu.Unlock()
		return nil, fmt.Errorf("monitor flows: %w", ErrMonitored)
	}
	c.monitor = box
	c.mu.Unlock()

	err := c.multi(ctx, multiMonitor, func(b []byte) []byte { return appendMonitor(b, monitorAdd) }, func([]byte) error { return nil })
	if err != nil {
		c.dropMonitor()
		return nil, fmt.Errorf("monitor flows: %w", err)
	}
	updates := make(chan FlowUpdate, asyncRoom)
	c.wait.Add(1)
	go func() {
		defer c.wait.Done()
		defer close(updates)
		defer c.stopMonitor()
		if err := c.forwardUpdates(ctx, box, updates); err != nil && ctx.Err() == nil {
			c.fail(fmt.Errorf("flow monitor: %w", err))
		}
	}()
	return updates, nil
}

func appendMonitor(b []byte, command byte) []byte {
	b = put32(put32(put32(b, monitorID), PortAny), groupAny)
	b = append(put16(b, monitorFlags), 0xff, command)
	return appendMatch(b, Match{})
}

func (c *Conn) dropMonitor() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.monitor = nil
}

// stopMonitor ends the monitor in Open vSwitch, so that another one can be made.
func (c *Conn) stopMonitor() {
	ctx, cancel := context.WithTimeout(context.Background(), discardPatience)
	defer cancel()
	err := c.command(ctx, func(b []byte, xid uint32) []byte {
		return appendMonitor(beginMulti(b, xid, multiMonitor), monitorDelete)
	})
	if err != nil && c.Err() == nil {
		c.log.Warn("the flow monitor did not end", "error", err)
	}
	c.dropMonitor()
}

func (c *Conn) forwardUpdates(ctx context.Context, box *mailbox, to chan<- FlowUpdate) error {
	for {
		msg, err := c.receive(ctx, box)
		if err != nil {
			return err
		}
		updates, err := decodeUpdates(msg.body)
		if err != nil {
			return err
		}
		if box.hasLost() {
			updates = append([]FlowUpdate{{Event: UpdatesLost}}, updates...)
		}
		for _, u := range updates {
			select {
			case to <- u:
			case <-ctx.Done():
				return ctx.Err()
			case <-c.done:
				return c.err
			}
		}
	}
}

// decodeUpdates reads a part of a flow monitor reply, from the multipart header on. Abbreviated events, which are our own changes, are left out.
func decodeUpdates(body []byte) ([]FlowUpdate, error) {
	be := binary.BigEndian
	if len(body) < 8 {
		return nil, fmt.Errorf("flow update: %d bytes, needs at least 8", len(body))
	}
	var updates []FlowUpdate
	for rest := body[8:]; len(rest) > 0; {
		if len(rest) < 8 {
			return updates, fmt.Errorf("flow update: %d bytes are left, needs at least 8", len(rest))
		}
		length, event := int(be.Uint16(rest)), be.Uint16(rest[2:])
		if length < 8 || length > len(rest) {
			return updates, fmt.Errorf("flow update: length %d, %d bytes are left", length, len(rest))
		}
		kind := map[uint16]FlowEvent{eventAdded: FlowAdded, eventRemoved: FlowRemoved, eventModified: FlowModified}[event]
		if kind != 0 {
			flow, err := decodeUpdate(rest[:length])
			if err != nil {
				return updates, fmt.Errorf("flow update: %w", err)
			}
			updates = append(updates, FlowUpdate{kind, flow})
		}
		rest = rest[length:]
	}
	return updates, nil
}

func decodeUpdate(wire []byte) (f Flow, err error) {
	be := binary.BigEndian
	if len(wire) < 24 {
		return f, fmt.Errorf("length %d, needs at least 24", len(wire))
	}
	f = Flow{
		Table: wire[4], IdleTimeout: be.Uint16(wire[6:]), HardTimeout: be.Uint16(wire[8:]), Priority: be.Uint16(wire[10:]),
		Cookie: be.Uint64(wire[16:]),
	}
	match, n, err := takeMatch(wire[24:])
	if err != nil {
		return f, err
	}
	f.Match = match
	return f, f.decodeInstructions(wire[24+n:])
}
