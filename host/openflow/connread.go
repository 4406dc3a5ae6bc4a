package openflow

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// read is the only reader of the connection. It never waits for anything but the connection, so that answers to a writer always get through.
func (c *Conn) read(reader *bufio.Reader) {
	defer c.wait.Done()
	defer close(c.packetIns)
	defer close(c.portChanges)
	for {
		msg, err := readMessage(reader)
		if err != nil {
			c.fail(fmt.Errorf("read from Open vSwitch: %w", err))
			return
		}
		if err := c.dispatch(msg); err != nil {
			c.fail(fmt.Errorf("message of type %d from Open vSwitch: %w", msg.kind, err))
			return
		}
	}
}

// readMessage reads one message of OpenFlow 1.5.
func readMessage(reader io.Reader) (message, error) {
	var header [headerLen]byte
	if _, err := io.ReadFull(reader, header[:]); err != nil {
		return message{}, err
	}
	length := int(binary.BigEndian.Uint16(header[2:]))
	if header[0] != version || length < headerLen {
		return message{}, fmt.Errorf("not a message of OpenFlow 1.5: version %d, type %d, length %d", header[0], header[1], length)
	}
	msg := message{kind: header[1], xid: binary.BigEndian.Uint32(header[4:]), body: make([]byte, length-headerLen)}
	_, err := io.ReadFull(reader, msg.body)
	return msg, err
}

// dispatch hands a message to whoever waits for it.
func (c *Conn) dispatch(msg message) error {
	switch msg.kind {
	case msgEchoRequest:
		select {
		case c.echoes <- msg:
		default: // the answer to an earlier one is not out yet; that one will do
		}
		return nil
	case msgPacketIn:
		p, err := decodePacketIn(msg.body)
		if err != nil {
			return err
		}
		offer(c, c.packetIns, p)
		return nil
	case msgExperimenter:
		return c.dispatchExperimenter(msg)
	case msgPortStatus:
		p, err := decodePortStatus(msg.body)
		if err != nil {
			return err
		}
		offer(c, c.portChanges, p)
		return nil
	}
	if box := c.find(msg); box != nil {
		box.put(msg)
		return nil
	}
	c.logUnexpected(msg)
	return nil
}

func (c *Conn) dispatchExperimenter(msg message) error {
	be := binary.BigEndian
	if len(msg.body) < 8 || be.Uint32(msg.body) != niciraID || be.Uint32(msg.body[4:]) != nxPacketIn2 {
		c.logUnexpected(msg)
		return nil
	}
	p, err := decodePacketIn2(msg.body[8:])
	if err != nil {
		return err
	}
	offer(c, c.packetIns, p)
	return nil
}

// offer sends without waiting.
func offer[T any](c *Conn, to chan<- T, value T) {
	select {
	case to <- value:
	default:
		c.dropped.Add(1)
	}
}

// find is the mailbox for an answer, nil if nobody waits for it.
func (c *Conn) find(msg message) *mailbox {
	c.mu.Lock()
	defer c.mu.Unlock()
	if box := c.calls[msg.xid]; box != nil {
		return box
	}
	if c.bundle != nil && c.bundle.owns(msg.xid) {
		return c.bundle.box
	}
	if msg.kind == msgMultiReply && len(msg.body) >= 2 && binary.BigEndian.Uint16(msg.body) == multiMonitor {
		return c.monitor // updates of flow monitors have no xid of ours
	}
	return nil
}

func (c *Conn) logUnexpected(msg message) {
	if msg.kind == msgError {
		// For example the refusal of a packet-out, which nobody waits for.
		if e, err := decodeError(msg.xid, msg.body); err == nil {
			c.log.Warn("Open vSwitch refused a message", "error", e, "xid", msg.xid)
			return
		}
	}
	c.log.Debug("unexpected OpenFlow message", "type", msg.kind, "xid", msg.xid, "length", len(msg.body)+headerLen)
}

// answerEchoes is apart from the reader, because writing may have to wait for Open vSwitch to read.
func (c *Conn) answerEchoes() {
	defer c.wait.Done()
	for {
		select {
		case <-c.done:
			return
		case msg := <-c.echoes:
			b := append(begin(nil, msgEchoReply, msg.xid), msg.body...)
			if err := c.write(noContext, finishMessage(b, 0)); err != nil {
				return
			}
		}
	}
}
