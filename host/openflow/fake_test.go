package openflow

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeSwitch is a peer for what a real Open vSwitch cannot be made to do at the right moment.
type fakeSwitch struct {
	t    *testing.T
	conn net.Conn
	// handle is asked first for every message; false means that the fake answers as usual.
	handle func(f *fakeSwitch, msg message) bool
}

// dialFake connects to a fake switch. The fake ends with the test.
func dialFake(t *testing.T, handle func(f *fakeSwitch, msg message) bool) *Conn {
	t.Helper()
	dir, err := os.MkdirTemp("", "of") // short, as the path of a socket must be
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "fake.mgmt")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		listener.Close()
		<-ended
		os.RemoveAll(dir)
	})
	go func() {
		defer close(ended)
		nc, err := listener.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		(&fakeSwitch{t, nc, handle}).run()
	}()
	return dial(t, path)
}

func (f *fakeSwitch) run() {
	f.send(msgHello, 0, nil)
	for {
		msg, err := readMessage(f.conn)
		if err != nil {
			return
		}
		if f.handle(f, msg) {
			continue
		}
		switch msg.kind {
		case msgFeaturesRequest:
			f.send(msgFeaturesReply, msg.xid, make([]byte, 24))
		case msgBarrierRequest:
			f.send(msgBarrierReply, msg.xid, nil)
		case msgBundleControl:
			msg.body[5]++ // the reply's type is the request's plus one
			f.send(msgBundleControl, msg.xid, msg.body)
		}
	}
}

func (f *fakeSwitch) send(kind uint8, xid uint32, body []byte) {
	_, _ = f.conn.Write(finishMessage(append(begin(nil, kind, xid), body...), 0)) // the other end may be gone
}

func (f *fakeSwitch) refuse(xid uint32, kind, code uint16) {
	f.send(msgError, xid, put16(put16(nil, kind), code))
}

func isControl(msg message, kind byte) bool {
	return msg.kind == msgBundleControl && msg.body[5] == kind
}

func TestOutcomeOfBundlesWhenThingsBreak(t *testing.T) {
	t.Parallel()
	mods := []Mod{AddFlow(flowTo(1, 1)), AddFlow(flowTo(2, 2))}
	for _, test := range []struct {
		name     string
		handle   func(f *fakeSwitch, msg message) bool
		timeout  time.Duration
		unknown  bool
		want     error
		contains string
	}{
		{
			name: "no answer to the commit",
			handle: func(_ *fakeSwitch, msg message) bool {
				return isControl(msg, bundleCommit) || msg.kind == msgBarrierRequest && msg.xid > 5
			},
			timeout: 50 * time.Millisecond, unknown: true, want: context.DeadlineExceeded,
		},
		{
			name: "dead after the commit",
			handle: func(f *fakeSwitch, msg message) bool {
				if isControl(msg, bundleCommit) {
					f.conn.Close()
				}
				return isControl(msg, bundleCommit)
			},
			unknown: true,
		},
		{
			name: "dead before the commit",
			handle: func(f *fakeSwitch, msg message) bool {
				if isControl(msg, bundleClose) {
					f.conn.Close()
				}
				return isControl(msg, bundleClose)
			},
		},
		{
			name:    "no answer to the close",
			handle:  func(_ *fakeSwitch, msg message) bool { return isControl(msg, bundleClose) },
			timeout: 50 * time.Millisecond, want: context.DeadlineExceeded,
		},
		{
			name: "forgotten bundle",
			handle: func(f *fakeSwitch, msg message) bool {
				if isControl(msg, bundleClose) {
					f.refuse(msg.xid-3, TypeBundleFailed, codeBundleTimeout)
					f.refuse(msg.xid, TypeBundleFailed, codeBundleBadID)
				}
				return isControl(msg, bundleClose)
			},
			want: errBundleTimeout, contains: "10 seconds",
		},
		{
			name: "bundle forgotten before the commit",
			handle: func(f *fakeSwitch, msg message) bool {
				if isControl(msg, bundleCommit) {
					f.refuse(msg.xid, TypeBundleFailed, codeBundleBadID)
				}
				return isControl(msg, bundleCommit)
			},
			contains: "OFPBFC_BAD_ID",
		},
		{
			name: "no room for bundles",
			handle: func(f *fakeSwitch, msg message) bool {
				if isControl(msg, bundleOpen) {
					f.refuse(msg.xid, TypeBundleFailed, 5)
				}
				return isControl(msg, bundleOpen)
			},
			contains: "OFPBFC_OUT_OF_BUNDLES",
		},
		{
			name:    "no answer to the barrier",
			handle:  func(_ *fakeSwitch, msg message) bool { return msg.kind == msgBarrierRequest && msg.xid > 5 },
			timeout: 50 * time.Millisecond, unknown: true, want: context.DeadlineExceeded,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := dialFake(t, test.handle)
			ctx := within(t)
			if test.timeout != 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, test.timeout)
				defer cancel()
			}
			err := c.Apply(ctx, mods)
			if err == nil || errors.Is(err, ErrOutcomeUnknown) != test.unknown {
				t.Errorf("error %v; unknown outcome must be %v", err, test.unknown)
			}
			if test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.contains) {
				t.Errorf("error %v, want %v with %q", err, test.want, test.contains)
			}
		})
	}
}

// TestSwitchThatDoesNotRead fills the socket: the context must end the call, and the connection with it, because a piece of a message is out.
func TestSwitchThatDoesNotRead(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	c := dialFake(t, func(_ *fakeSwitch, msg message) bool {
		if msg.kind == msgBundleAdd {
			<-release
		}
		return false
	})
	defer close(release)
	mods := make([]Mod, 50_000)
	for i := range mods {
		mods[i] = AddFlow(flowTo(uint16(i), 1))
	}
	ctx, cancel := context.WithTimeout(within(t), 100*time.Millisecond)
	defer cancel()
	if err := c.Apply(ctx, mods); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("error %v, want a known outcome and the deadline", err)
	}
	if c.Err() == nil {
		t.Error("the connection still lives, with half a message on it")
	}
}

// TestEchoIsAnswered keeps the connection alive at a switch that probes it.
func TestEchoIsAnswered(t *testing.T) {
	t.Parallel()
	got := make(chan struct{})
	c := dialFake(t, func(f *fakeSwitch, msg message) bool {
		switch msg.kind {
		case msgSetConfig:
			f.send(msgEchoRequest, 99, []byte("alive"))
		case msgEchoReply:
			if msg.xid != 99 || string(msg.body) != "alive" {
				f.t.Errorf("echo reply %d %q", msg.xid, msg.body)
			}
			close(got)
		}
		return false
	})
	select {
	case <-got:
	case <-within(t).Done():
		t.Fatal("no answer to the echo request")
	}
	if err := c.Barrier(within(t)); err != nil {
		t.Error(err)
	}
}

// TestRefusalsDoNotBlockTheWriter sends more errors than the socket holds while the bundle is still being written.
func TestRefusalsDoNotBlockTheWriter(t *testing.T) {
	t.Parallel()
	const n = 60_000
	data := make([]byte, 60)
	c := dialFake(t, func(f *fakeSwitch, msg message) bool {
		if msg.kind == msgBundleAdd {
			f.send(msgError, msg.xid, append(put16(put16(nil, TypeBadMatch), 9), data...))
		}
		return false
	})
	mods := make([]Mod, n)
	for i := range mods {
		mods[i] = AddFlow(flowTo(uint16(i), 1))
	}
	err := c.Apply(within(t), mods)
	var refused *BundleError
	if !errors.As(err, &refused) || refused.Failures[0].Index != 0 || refused.Failures[0].Error.Name() != "OFPBMC_BAD_PREREQ" {
		t.Errorf("error %v, want refusals from number 0 on", err)
	}
}

func TestPeersThatBreakTheProtocol(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		send []byte
	}{
		{"other version", []byte{4, msgPacketIn, 0, 8, 0, 0, 0, 0}},
		{"short length", []byte{version, msgPacketIn, 0, 7, 0, 0, 0, 0}},
		{"short packet-in", []byte{version, msgPacketIn, 0, 12, 0, 0, 0, 0, 1, 2, 3, 4}},
		{"short port status", []byte{version, msgPortStatus, 0, 12, 0, 0, 0, 0, 1, 2, 3, 4}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := dialFake(t, func(f *fakeSwitch, msg message) bool {
				if msg.kind != msgMultiRequest {
					return false
				}
				_, _ = f.conn.Write(test.send)
				return true
			})
			if _, err := c.Ports(within(t)); err == nil || !errors.Is(err, c.Err()) {
				t.Errorf("error %v, the connection's %v", err, c.Err())
			}
			<-c.Done()
		})
	}
	for _, test := range []struct {
		name string
		kind uint8
		body []byte
		want string
	}{
		{"an answer of another type", msgBarrierReply, nil, "of type 21"},
		{"half a port", msgMultiReply, append([]byte{0, multiPort, 0, 0, 0, 0, 0, 0}, 1, 2, 3), "40"},
		{"a refusal", msgError, []byte{0, 1, 0, 2}, "OFPBRC_BAD_STAT"},
		{"half a refusal", msgError, []byte{0, 1}, "needs 4"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := dialFake(t, func(f *fakeSwitch, msg message) bool {
				if msg.kind == msgMultiRequest {
					f.send(test.kind, msg.xid, test.body)
				}
				return msg.kind == msgMultiRequest
			})
			if _, err := c.Ports(within(t)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if err := c.Barrier(within(t)); err != nil {
				t.Errorf("the connection is lost for one bad answer: %v", err)
			}
		})
	}
}
