package openflow

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// noContext is for writes that end with the connection.
var noContext = context.Background()

// unsent marks errors of write after which nothing was written.
type unsent struct{ error }

func (u unsent) Unwrap() error { return u.error }

// write sends whole messages. If the context ends while some of it is written the connection is lost, because the rest is missing.
func (c *Conn) write(ctx context.Context, b []byte) error {
	select {
	case c.writing <- struct{}{}:
	case <-ctx.Done():
		return unsent{ctx.Err()}
	case <-c.done:
		return unsent{c.err}
	}
	defer func() { <-c.writing }()
	if err := ctx.Err(); err != nil {
		return unsent{err}
	}
	stop := context.AfterFunc(ctx, func() { _ = c.nc.SetWriteDeadline(time.Unix(1, 0)) })
	n, err := c.nc.Write(b)
	if !stop() {
		// The deadline has been set, or is about to be: no later write could be trusted.
		err = ctx.Err()
		if n == len(b) {
			err = fmt.Errorf("%w just after the message was written", err)
		}
		c.fail(fmt.Errorf("write to Open vSwitch: %w", err))
		return err
	}
	if err != nil {
		c.fail(fmt.Errorf("write to Open vSwitch: %w", err))
		return c.err
	}
	return nil
}

// xids reserves n transaction ids and returns the first. They are never 0, which stands for messages that nobody asked for.
func (c *Conn) xids(n int) uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if uint64(c.nextXid)+uint64(n) >= 1<<32-1 {
		c.nextXid = 0
	}
	first := c.nextXid + 1
	c.nextXid += uint32(n)
	return first
}

// await makes answers to the xids come into a new mailbox. The caller must call forget.
func (c *Conn) await(xids ...uint32) (box *mailbox, forget func()) {
	box = newMailbox()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, xid := range xids {
		c.calls[xid] = box
	}
	return box, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, xid := range xids {
			delete(c.calls, xid)
		}
	}
}

// request sends one message and waits for the answer of the given kind.
func (c *Conn) request(ctx context.Context, kind uint8, encode func(b []byte, xid uint32) []byte) (message, error) {
	xid := c.xids(1)
	box, forget := c.await(xid)
	defer forget()
	if err := c.write(ctx, encode(nil, xid)); err != nil {
		return message{}, err
	}
	msg, err := c.receive(ctx, box)
	if err != nil {
		return message{}, err
	}
	if msg.kind == msgError {
		return message{}, refusal(msg)
	}
	if msg.kind != kind {
		return message{}, fmt.Errorf("the answer is of type %d, not %d", msg.kind, kind)
	}
	return msg, nil
}

// refusal turns an error message into an error.
func refusal(msg message) error {
	e, err := decodeError(msg.xid, msg.body)
	if err != nil {
		return err
	}
	return e
}

// command sends messages that are answered by silence or an error, then a barrier, and waits for that. The first error wins.
// encode may leave the length of its last message to command.
func (c *Conn) command(ctx context.Context, encode func(b []byte, xid uint32) []byte) error {
	xid := c.xids(2)
	barrier := xid + 1
	box, forget := c.await(xid, barrier)
	defer forget()
	b := encode(nil, xid)
	last, err := lastMessage(b)
	if err != nil {
		return err
	}
	b = finishMessage(b, last)
	if err := c.write(ctx, finishMessage(begin(b, msgBarrierRequest, barrier), len(b))); err != nil {
		return err
	}
	var first error
	for {
		msg, err := c.receive(ctx, box)
		if err != nil {
			return errors.Join(first, err)
		}
		if msg.kind == msgBarrierReply {
			return first
		}
		if msg.kind == msgError && first == nil {
			first = refusal(msg)
		}
	}
}

// lastMessage is where the last message of b begins; those before have their length set.
func lastMessage(b []byte) (int, error) {
	at := 0
	for {
		n := int(binary.BigEndian.Uint16(b[at+2:]))
		if n == 0 {
			break
		}
		if at+n >= len(b) {
			break
		}
		at += n
	}
	if len(b)-at > maxMessage {
		return 0, fmt.Errorf("message of %d bytes, OpenFlow allows %d", len(b)-at, maxMessage)
	}
	return at, nil
}

// multi sends a multipart request and hands the body of each part of the answer to part.
func (c *Conn) multi(ctx context.Context, kind uint16, encode func(b []byte) []byte, part func(body []byte) error) error {
	xid := c.xids(1)
	box, forget := c.await(xid)
	defer forget()
	if err := c.write(ctx, finishMessage(encode(beginMulti(nil, xid, kind)), 0)); err != nil {
		return err
	}
	for {
		msg, err := c.receive(ctx, box)
		if err != nil {
			return err
		}
		if msg.kind == msgError {
			return refusal(msg)
		}
		if msg.kind != msgMultiReply || len(msg.body) < 8 || binary.BigEndian.Uint16(msg.body) != kind {
			return fmt.Errorf("the answer is a message of type %d and length %d, not a part of a reply", msg.kind, len(msg.body)+headerLen)
		}
		if err := part(msg.body[8:]); err != nil {
			return err
		}
		if binary.BigEndian.Uint16(msg.body[2:])&multiMore == 0 {
			return nil
		}
	}
}

// Barrier returns when Open vSwitch has processed everything that was sent before.
func (c *Conn) Barrier(ctx context.Context) error {
	_, err := c.request(ctx, msgBarrierReply, func(b []byte, xid uint32) []byte {
		return finishMessage(begin(b, msgBarrierRequest, xid), len(b))
	})
	if err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	return nil
}

// DumpFlows lists the flows that the filter selects, in no particular order. Flows that were sent by Apply come back equal.
func (c *Conn) DumpFlows(ctx context.Context, filter FlowFilter) ([]FlowStats, error) {
	var flows []FlowStats
	err := c.EachFlow(ctx, filter, func(f FlowStats) { flows = append(flows, f) })
	if err != nil {
		return nil, err
	}
	return flows, nil
}

// EachFlow is DumpFlows for many flows: each is handed over as it arrives, and none is kept. After an error not all were.
func (c *Conn) EachFlow(ctx context.Context, filter FlowFilter, each func(FlowStats)) error {
	err := c.multi(ctx, multiFlow, func(b []byte) []byte {
		b = put32(put32(append(b, filter.Table.wire(), 0, 0, 0), filter.outPort()), groupAny)
		b = put64(put64(put32(b, 0), filter.Cookie), filter.CookieMask)
		return appendMatch(b, filter.Match)
	}, func(body []byte) error { return decodeFlows(body, each) })
	if err != nil {
		return fmt.Errorf("dump flows: %w", err)
	}
	return nil
}

// DumpGroups lists all groups, in no particular order.
func (c *Conn) DumpGroups(ctx context.Context) ([]GroupEntry, error) {
	var groups []GroupEntry
	err := c.multi(ctx, multiGroupDesc, func(b []byte) []byte { return put32(put32(b, groupAllIDs), 0) }, func(body []byte) (err error) {
		groups, err = decodeGroups(body, groups)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dump groups: %w", err)
	}
	return groups, nil
}

// Ports lists the bridge's ports, with the bridge's own as PortLocal.
func (c *Conn) Ports(ctx context.Context) ([]Port, error) {
	var ports []Port
	err := c.multi(ctx, multiPort, func(b []byte) []byte { return put32(put32(b, PortAny), 0) }, func(body []byte) (err error) {
		ports, err = decodePorts(body, ports)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list ports: %w", err)
	}
	return ports, nil
}

// SendPacket hands a packet to the bridge. It does not wait: if Open vSwitch refuses the packet, that is logged.
// It refuses packets that do not fit a message, of about 65,000 bytes.
func (c *Conn) SendPacket(ctx context.Context, p PacketOut) error {
	b := p.appendTo(make([]byte, 0, 128+len(p.Actions.wire)+len(p.Data)), c.xids(1))
	if len(b) > maxMessage {
		return fmt.Errorf("send a packet of %d bytes: takes a message of %d, OpenFlow allows %d", len(p.Data), len(b), maxMessage)
	}
	if err := c.write(ctx, b); err != nil {
		return fmt.Errorf("send a packet of %d bytes: %w", len(p.Data), err)
	}
	return nil
}
