package attach

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-net/sluice/host/hostnet"
	"github.com/sluice-net/sluice/host/ovsdb"
	"github.com/sluice-net/sluice/host/primary"
)

// Options say what an Attacher works on. Bridge, Gateway, Host, OVS, Node and Logger are needed.
type Options struct {
	Host    *hostnet.Host // the node's network namespace; stays the caller's
	OVS     *ovsdb.Client // stays the caller's
	Bridge  ovsdb.BridgeOptions
	Gateway GatewayOptions
	Node    Node
	Logger  *slog.Logger
	// Primary is the profile of the primary CNI plugin; it may be another at each call. nil: that of ptp.
	Primary func() primary.Profile

	// MaxConcurrent bounds how many requests change the node at the same time; 0 means 8.
	MaxConcurrent int
	// UndoTimeout bounds how long undoing a failed attachment may take; 0 means 10 s.
	UndoTimeout time.Duration
	// ReconcileEvery is how often Run looks for what somebody changed by hand; 0 means 8 s, so that with the time that
	// the repair takes nothing stays wrong for 10 s.
	ReconcileEvery time.Duration
}

// GatewayOptions describe the bridge's internal port.
type GatewayOptions struct {
	Name   string           // "" means DefaultGateway
	MAC    net.HardwareAddr // nil means DefaultGatewayMAC()
	OFPort uint32           // 0 means 1; the numbers from 16 on are for Pods
}

// DefaultGateway is the name of the gateway device.
const DefaultGateway = "sluice-gw0"

// DefaultGatewayMAC is the gateway's address on every node: locally administered, then "sluic". It can be the same everywhere, since
// each node's bridge is a network of its own.
func DefaultGatewayMAC() net.HardwareAddr { return net.HardwareAddr{0x02, 's', 'l', 'u', 'i', 'c'} }

// The gateway's MTU in bytes while no Pod is attached, and the least that keeps IPv6 on it (RFC 8200, section 5).
const (
	defaultMTU = 1500
	minMTU     = 1280
)

// Attacher attaches Pods to one bridge. It is safe for concurrent use.
type Attacher struct {
	opts    Options
	mode    mode
	queue   *queue
	members members

	gatewayMu sync.Mutex // orders changes of what all Pods share: the gateway's MTU and proxies
	gateway   Gateway
	mirrored  bool // there have been rules to copy for the gateway

	settleSoon chan struct{}               // a route waits for its source address
	retired    atomic.Bool                 // Uninstall was called
	quiet      map[int]hostnet.FeatureBits // of the last round; only Reconcile uses it
}

// Gateway is the gateway device as it is now.
type Gateway struct {
	Name   string
	Index  int // of the network device
	OFPort uint32
	MAC    net.HardwareAddr
	MTU    int // bytes
	// Loopback: it takes answers to the node's loopback addresses.
	Loopback bool
}

// New checks the options. It changes nothing: Restore does.
func New(opts Options) (*Attacher, error) {
	if opts.Host == nil || opts.OVS == nil || opts.Node == nil || opts.Logger == nil || opts.Bridge.Name == "" {
		return nil, errors.New("attach: Host, OVS, Node, Logger and Bridge.Name must be given")
	}
	m := modeOf(opts.Bridge.DatapathType)
	if opts.Bridge.DatapathType != ovsdb.SystemDatapath && opts.Bridge.DatapathType != ovsdb.NetdevDatapath {
		return nil, fmt.Errorf("attach: Bridge.DatapathType is %q, want %s or %s", opts.Bridge.DatapathType, ovsdb.SystemDatapath, ovsdb.NetdevDatapath)
	}
	if opts.MaxConcurrent <= 0 {
		opts.MaxConcurrent = 8
	}
	if opts.UndoTimeout <= 0 {
		opts.UndoTimeout = 10 * time.Second
	}
	if opts.ReconcileEvery <= 0 {
		opts.ReconcileEvery = 8 * time.Second
	}
	if opts.Primary == nil {
		ptp, _ := primary.Named(primary.PTP)
		opts.Primary = func() primary.Profile { return ptp }
	}
	if opts.Gateway.Name == "" {
		opts.Gateway.Name = DefaultGateway
	}
	if opts.Gateway.MAC == nil {
		opts.Gateway.MAC = DefaultGatewayMAC()
	}
	if opts.Gateway.OFPort == 0 {
		opts.Gateway.OFPort = 1
	}
	return &Attacher{
		opts: opts, mode: m, queue: newQueue(opts.MaxConcurrent), members: members{pods: map[podKey]*member{}},
		settleSoon: make(chan struct{}, 1),
	}, nil
}

// Attachments lists the attached Pods, ordered by namespace and name.
func (a *Attacher) Attachments() []Attachment {
	var list []Attachment
	for _, m := range a.members.all() {
		if m.ready {
			list = append(list, m.Attachment)
		}
	}
	return list
}

// Gateway returns what is known of the gateway; nothing before Restore.
func (a *Attacher) Gateway() Gateway {
	a.gatewayMu.Lock()
	defer a.gatewayMu.Unlock()
	return a.gateway
}
