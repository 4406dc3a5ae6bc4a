package openflow

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Types and flags of bundle control messages.
const (
	bundleOpen    = 0
	bundleClose   = 2
	bundleCommit  = 4
	bundleDiscard = 6
	bundleFlags   = 1 | 2 // atomic, ordered
)

// chunk is about how many bytes of a bundle are written at a time. Other messages get their turn in between.
const chunk = 64 << 10

// discardPatience bounds the wait for a turn to write the discard message.
const discardPatience = time.Second

// bundleCall is a bundle under way. Its messages have consecutive xids: open, the modifications, close, commit, barrier, discard.
type bundleCall struct {
	conn  *Conn
	box   *mailbox
	id    uint32
	mods  []Mod
	first uint32 // xid of open

	failures []ModFailure
	count    int
	cause    error // a refusal of the bundle itself
	answered map[uint32]bool
}

func (b *bundleCall) owns(xid uint32) bool   { return xid-b.first < uint32(len(b.mods))+5 }
func (b *bundleCall) control(n int) uint32   { return b.first + 1 + uint32(len(b.mods)) + uint32(n) }
func (b *bundleCall) closeXid() uint32       { return b.control(0) }
func (b *bundleCall) commitXid() uint32      { return b.control(1) }
func (b *bundleCall) barrierXid() uint32     { return b.control(2) }
func (b *bundleCall) discardXid() uint32     { return b.control(3) }
func (b *bundleCall) refused() bool          { return b.count > 0 || b.cause != nil }
func (b *bundleCall) answer(xid uint32) bool { return b.answered[xid] }

// Apply applies all modifications in their order, at once and whole, and returns when Open vSwitch processes packets by them.
//
// A *BundleError, and every other error but one, means that nothing took effect.
// ErrOutcomeUnknown means that the context or the connection ended after the commit was sent: dump and compare.
// Open vSwitch forgets a bundle that rests for 10 seconds; a shorter bound on ctx is of little use.
func (c *Conn) Apply(ctx context.Context, mods []Mod) error {
	if len(mods) == 0 {
		return nil
	}
	select {
	case c.bundling <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("apply %d modifications, waiting for another bundle: %w", len(mods), ctx.Err())
	case <-c.done:
		return fmt.Errorf("apply %d modifications: %w", len(mods), c.err)
	}
	defer func() { <-c.bundling }()

	first := c.xids(len(mods) + 5)
	b := &bundleCall{conn: c, box: newMailbox(), id: first, mods: mods, first: first, answered: make(map[uint32]bool)}
	c.setBundle(b)
	defer c.setBundle(nil)
	err := b.run(ctx)
	var refused *BundleError
	if err != nil && !errors.As(err, &refused) {
		return fmt.Errorf("apply %d modifications: %w", len(mods), err)
	}
	return err
}

func (c *Conn) setBundle(b *bundleCall) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bundle = b
}

func (b *bundleCall) run(ctx context.Context) error {
	if err := b.fill(ctx); err != nil {
		b.discard()
		return err
	}
	// A commit would succeed with the modifications that were not refused. So the bundle is closed first, and committed
	// only when the answer to that shows that no refusal is outstanding.
	if err := b.waitFor(ctx, b.closeXid()); err != nil {
		b.discard()
		return err
	}
	if b.refused() {
		b.discard()
		return b.refusal()
	}
	return b.commit(ctx)
}

// fill writes everything up to the close message.
func (b *bundleCall) fill(ctx context.Context) error {
	c := b.conn
	buf := b.appendControl(c.scratch[:0], b.first, bundleOpen)
	defer func() { c.scratch = buf[:0] }()
	for i := range b.mods {
		start := len(buf)
		xid := b.first + 1 + uint32(i)
		buf = put16(put16(put32(begin(buf, msgBundleAdd, xid), b.id), 0), bundleFlags)
		inner := len(buf)
		buf = b.mods[i].appendTo(buf, xid)
		if err := b.mods[i].tooLong(len(buf) - inner); err != nil {
			return fmt.Errorf("modification number %d: %w", i, err)
		}
		buf = finishMessage(buf, start)
		if len(buf) >= chunk {
			if err := c.write(ctx, buf); err != nil {
				return err
			}
			buf = buf[:0]
			if b.collect(b.box.takeAll()); b.count >= maxFailures {
				break
			}
		}
	}
	buf = b.appendControl(buf, b.closeXid(), bundleClose)
	return c.write(ctx, buf)
}

func (b *bundleCall) appendControl(buf []byte, xid uint32, kind uint16) []byte {
	start := len(buf)
	return finishMessage(put16(put16(put32(begin(buf, msgBundleControl, xid), b.id), kind), bundleFlags), start)
}

// collect sorts answers: which control messages were answered, which modifications refused.
func (b *bundleCall) collect(messages []message) {
	for _, msg := range messages {
		if msg.kind != msgError {
			b.answered[msg.xid] = true
			continue
		}
		e, err := decodeError(msg.xid, msg.body)
		if err != nil {
			b.cause = err
			continue
		}
		index := int(msg.xid - b.first - 1)
		if index >= 0 && index < len(b.mods) {
			b.count++
			if len(b.failures) < maxFailures {
				b.failures = append(b.failures, ModFailure{Index: index, Mod: b.mods[index], Error: e})
			}
			continue
		}
		b.answered[msg.xid] = true
		if b.cause == nil || errors.Is(e, errBundleTimeout) {
			b.cause = e
		}
	}
}

// waitFor returns when the control message with the xid was answered, by a reply or by an error.
func (b *bundleCall) waitFor(ctx context.Context, xid uint32) error {
	for !b.answer(xid) {
		msg, err := b.conn.receive(ctx, b.box)
		if err != nil {
			return err
		}
		b.collect([]message{msg})
	}
	return nil
}

// discard makes Open vSwitch forget the bundle. Nothing needs to wait for that: the bundle's id is never used again,
// and without a commit it cannot take effect.
func (b *bundleCall) discard() {
	ctx, cancel := context.WithTimeout(context.Background(), discardPatience)
	defer cancel()
	_ = b.conn.write(ctx, b.appendControl(nil, b.discardXid(), bundleDiscard))
}

func (b *bundleCall) refusal() error {
	return &BundleError{Failures: b.failures, Count: b.count, Cause: b.cause}
}

func (b *bundleCall) commit(ctx context.Context) error {
	c := b.conn
	buf := b.appendControl(nil, b.commitXid(), bundleCommit)
	buf = finishMessage(begin(buf, msgBarrierRequest, b.barrierXid()), len(buf))
	if err := c.write(ctx, buf); err != nil {
		if errors.As(err, new(unsent)) {
			b.discard()
			return err
		}
		return unknown(err)
	}
	if err := b.waitFor(ctx, b.commitXid()); err != nil {
		return unknown(err)
	}
	if b.refused() {
		return b.refusal()
	}
	// It is applied; the barrier only says when.
	if err := b.waitFor(ctx, b.barrierXid()); err != nil {
		return unknown(err)
	}
	return nil
}

func unknown(err error) error { return fmt.Errorf("%w (%w)", ErrOutcomeUnknown, err) }
