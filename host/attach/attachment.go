package attach

import (
	"context"
	"net"
	"net/netip"

	"github.com/sluice-net/sluice/host/hostnet"
)

// Pod is a local Pod as the datapath needs it. It has the fields of datapath.LocalPod, so one converts to the other.
type Pod struct {
	Namespace, Name string
	OFPort          uint32
	MAC             net.HardwareAddr
	Addresses       []netip.Addr
	MTU             int // bytes, of the Pod's interface
	// SendsOnly: what the Pod sends passes the bridge, and what is sent to it goes to the node, which still has, or has
	// again, the routes to its veth.
	SendsOnly bool
}

// Node installs and removes a Pod's flows.
type Node interface {
	// AttachPod returns once the switch has confirmed the Pod's flows, its policy among them. A Pod that is known
	// already gets flows for the port, MAC and addresses given now. After an error there may be flows: DetachPod follows.
	AttachPod(ctx context.Context, pod Pod) error
	// AdoptPod is AttachPod for a Pod that runs already, which had these connections a moment ago. They go on in the
	// direction in which they were opened, as far as policy allows them, whichever end sends next. Kept is how many those
	// are. It may be called again for connections that were missed.
	AdoptPod(ctx context.Context, pod Pod, connections []hostnet.Connection) (kept int, err error)
	// ReleasePod leaves the Pod as if it had been attached with SendsOnly. A Pod that is not known is no error.
	ReleasePod(ctx context.Context, namespace, name string) error
	// DetachPod removes the Pod's flows. A Pod that is not known is no error.
	DetachPod(ctx context.Context, namespace, name string) error
	// CheckPod says what of the Pod's flows is not in the switch as AttachPod left it, one error for each fault. It changes
	// nothing. The second error is why that could not be found out.
	CheckPod(ctx context.Context, pod Pod) (faults []error, err error)
}

// podKey names a Pod.
type podKey struct{ namespace, name string }

func (k podKey) String() string { return k.namespace + "/" + k.name }

// Attachment is a Pod's interface on the bridge.
type Attachment struct {
	Namespace, Name, UID string // UID is empty if the runtime does not tell it
	Network              string // the name in the CNI configuration
	ContainerID          string
	Netns, IfName        string // the Pod's end
	Veth                 string // the node's end, which is also the name of the port
	VethIndex            int
	OFPort               uint32
	MAC                  net.HardwareAddr
	Addresses            []netip.Addr
	MTU                  int  // bytes
	Loopback             bool // hostnet.Veth.Loopback

	undo undo
}

// Pod is what the datapath must know.
func (a *Attachment) Pod() Pod {
	return Pod{Namespace: a.Namespace, Name: a.Name, OFPort: a.OFPort, MAC: a.MAC, Addresses: a.Addresses, MTU: a.MTU}
}

func (a *Attachment) key() podKey { return podKey{a.Namespace, a.Name} }

// undo is what was changed for an attachment, as it was before.
type undo struct {
	Routes  []hostnet.Route `json:"routes,omitempty"`
	Proxies []netip.Addr    `json:"proxies,omitempty"` // IPv6 addresses that the gateway answers for
	Offload []string        `json:"offload,omitempty"` // features of the Pod's end that were on
}
