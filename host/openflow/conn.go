package openflow

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Options of Dial.
type Options struct {
	Logger *slog.Logger // nil: nothing is logged
}

// Conn is a connection to one bridge's management socket. Its methods may be used by any number of goroutines.
//
// It ends by Close, or by itself when Open vSwitch goes away or breaks the protocol; it never reconnects. Dial again then.
type Conn struct {
	nc       net.Conn
	log      *slog.Logger
	features Features

	// writing is held while a piece of whole messages is written, bundling while a bundle is. Both are locks that a context can stop waiting for.
	writing  chan struct{}
	bundling chan struct{}
	scratch  []byte // of the holder of bundling

	mu      sync.Mutex
	nextXid uint32
	calls   map[uint32]*mailbox
	bundle  *bundleCall
	monitor *mailbox

	packetIns   chan PacketIn
	portChanges chan PortStatus
	dropped     atomic.Uint64
	echoes      chan message

	once sync.Once
	done chan struct{}
	err  error // set before done is closed
	wait sync.WaitGroup
}

// Features are what a bridge says of itself.
type Features struct {
	DatapathID uint64
	Tables     uint8
}

const (
	// asyncRoom is how many packet-ins and port changes wait for their reader before further ones are dropped.
	asyncRoom = 1024
	// readRoom is the size of the read buffer.
	readRoom = 256 << 10
	// maxSocketPath is the kernel's limit for the path of a unix socket.
	maxSocketPath = 107
)

// Dial connects to the management socket of a bridge, <rundir>/<bridge>.mgmt, and agrees on OpenFlow 1.5.
// The context bounds the connecting and is not used afterwards.
func Dial(ctx context.Context, path string, opts Options) (*Conn, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("connect to the bridge at %s: the path has %d bytes, a unix socket's may have %d; use a shorter OVS_RUNDIR", path, len(path), maxSocketPath)
	}
	nc, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("connect to the bridge at %s (is ovs-vswitchd running, does the bridge exist?): %w", path, err)
	}
	c := newConn(nc, opts.Logger)
	if err := c.handshake(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("agree on OpenFlow 1.5 with the bridge at %s: %w", path, err)
	}
	return c, nil
}

func newConn(nc net.Conn, logger *slog.Logger) *Conn {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Conn{
		nc:          nc,
		log:         logger,
		writing:     make(chan struct{}, 1),
		bundling:    make(chan struct{}, 1),
		calls:       make(map[uint32]*mailbox),
		packetIns:   make(chan PacketIn, asyncRoom),
		portChanges: make(chan PortStatus, asyncRoom),
		echoes:      make(chan message, 1),
		done:        make(chan struct{}),
	}
}

func (c *Conn) handshake(ctx context.Context) error {
	// The hello is read before the reader starts, so nothing else can be in its way.
	stop := context.AfterFunc(ctx, func() { _ = c.nc.SetDeadline(time.Unix(1, 0)) })
	reader := bufio.NewReaderSize(c.nc, readRoom)
	err := c.hello(reader)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		close(c.packetIns)
		close(c.portChanges)
		return err
	}
	c.wait.Add(2)
	go c.read(reader)
	go c.answerEchoes()

	reply, err := c.request(ctx, msgFeaturesReply, func(b []byte, xid uint32) []byte {
		return finishMessage(begin(b, msgFeaturesRequest, xid), len(b))
	})
	if err != nil {
		return fmt.Errorf("features: %w", err)
	}
	if len(reply.body) < 16 {
		return fmt.Errorf("features: reply of %d bytes, needs 16", len(reply.body))
	}
	c.features = Features{DatapathID: binary.BigEndian.Uint64(reply.body), Tables: reply.body[12]}
	return c.command(ctx, func(b []byte, xid uint32) []byte {
		// A management connection gets no packet-ins and no port changes until it has set the length of packet-ins.
		start := len(b)
		b = finishMessage(put16(put16(begin(b, msgSetConfig, xid), 0), 0xffff), start)
		return put32(beginNicira(b, xid, nxSetPacketInFormat), packetInFormat2)
	})
}

// hello exchanges the first messages.
func (c *Conn) hello(reader *bufio.Reader) error {
	const bitmapElement = 1
	b := begin(nil, msgHello, 0)
	b = put32(put16(put16(b, bitmapElement), 8), 1<<version)
	if _, err := c.nc.Write(finishMessage(b, 0)); err != nil {
		return err
	}
	var header [headerLen]byte
	if _, err := io.ReadFull(reader, header[:]); err != nil {
		return err
	}
	length := int(binary.BigEndian.Uint16(header[2:]))
	if header[1] != msgHello || length < headerLen {
		return fmt.Errorf("expected a hello, got a message of type %d and length %d", header[1], length)
	}
	body := make([]byte, length-headerLen)
	if _, err := io.ReadFull(reader, body); err != nil {
		return err
	}
	if !speaks15(header[0], body) {
		return fmt.Errorf("the bridge does not speak it (its newest version is number %d): add OpenFlow15 to the bridge's protocols, or leave that column empty", header[0])
	}
	return nil
}

// speaks15 looks for OpenFlow 1.5 in the other's hello: in the bitmap of versions, or in the header if there is none.
func speaks15(newest uint8, elements []byte) bool {
	for len(elements) > 0 {
		kind, value, n, err := property(elements)
		if err != nil {
			break
		}
		if kind == 1 && len(value) >= 4 {
			return binary.BigEndian.Uint32(value)>>version&1 != 0
		}
		elements = elements[n:]
	}
	return newest >= version
}

// Features are what the bridge said when the connection was made.
func (c *Conn) Features() Features { return c.features }

// PacketIns has the packets that flows send to the controllers. It is closed when the connection ends.
// Packets that nobody takes in time are dropped and counted, see Dropped.
func (c *Conn) PacketIns() <-chan PacketIn { return c.packetIns }

// PortChanges has the changes of the bridge's ports. It is closed when the connection ends.
// Changes that nobody takes in time are dropped and counted, see Dropped.
func (c *Conn) PortChanges() <-chan PortStatus { return c.portChanges }

// Dropped is how many packet-ins and port changes were dropped because nobody took them from their channel.
func (c *Conn) Dropped() uint64 { return c.dropped.Load() }

// Close ends the connection and waits until its goroutines are gone. Calls under way fail with ErrClosed.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	c.wait.Wait()
	return nil
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err is why the connection ended: ErrClosed after Close. It is nil while the connection lives.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// fail ends the connection for this reason, unless it has ended already.
func (c *Conn) fail(err error) {
	c.once.Do(func() {
		c.err = err
		if !errors.Is(err, ErrClosed) {
			c.log.Warn("OpenFlow connection lost", "error", err)
		}
		close(c.done)
		c.nc.Close()
	})
}
