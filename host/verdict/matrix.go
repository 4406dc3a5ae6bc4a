package verdict

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/proxy"
)

// End is one end of connections: a Pod, an address outside, or a Service by its
// cluster IPs, which opens none.
type End struct {
	Name      string // namespace/pod, the address, or svc:namespace/name
	Addresses []netip.Addr
	Ports     []Port // on which it listens
}

// Port is a port that an end listens on.
type Port struct {
	Protocol string // TCP, UDP or SCTP
	Number   uint16
}

// Probe is the model's answer for one connection, in the shape of the lab's
// probes.
type Probe struct {
	From      string  `json:"from"`
	To        string  `json:"to"`
	Address   string  `json:"address"` // of To
	Protocol  string  `json:"protocol"`
	Port      uint16  `json:"port"`
	Connected bool    `json:"connected"`
	Millis    float64 `json:"millis"` // always 0: nothing was sent
	// To a Service: who may answer, namespace/pod or an address with its port, and
	// whether some of the backends may not (Connected is false then).
	Answers []string `json:"answers,omitempty"`
	Partly  bool     `json:"partly,omitempty"`
}

// MatrixOptions say what Matrix asks about.
type MatrixOptions struct {
	View policy.View
	Ends []End
	// Services are asked about from every end that is a Pod of the cluster network.
	Services []End
	// On gives the Services as the Pods of a node see them. It is asked if there
	// are Services.
	On func(node string) *proxy.Model
}

// Matrix asks about every ordered pair of ends, an end with itself included, every
// port of the second, and every address family that both have.
func Matrix(o MatrixOptions) ([]Probe, error) {
	probes := []Probe{}
	for _, from := range o.Ends {
		for _, to := range slices.Concat(o.Ends, o.Services) {
			for _, port := range to.Ports {
				protocol, err := protocolOf(port.Protocol)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", to.Name, err)
				}
				probes = append(probes, o.probesOf(from, to, port, protocol)...)
			}
		}
	}
	return probes, nil
}

func (o *MatrixOptions) probesOf(from, to End, port Port, protocol abi.Protocol) []Probe {
	var out []Probe
	for _, source := range from.Addresses {
		for _, destination := range to.Addresses {
			if source.Is4() != destination.Is4() {
				continue
			}
			p := Probe{From: from.Name, To: to.Name, Address: destination.String(), Protocol: port.Protocol, Port: port.Number}
			if strings.HasPrefix(to.Name, ServicePrefix) {
				pod, isPod := o.View.Inventory.PodByAddr(source)
				if !isPod {
					continue
				}
				o.toService(&p, source, netip.AddrPortFrom(destination, port.Number), protocol, pod.Node())
			} else {
				p.Connected = policy.Evaluate(o.View, policy.Packet{Source: source, Destination: destination, Protocol: protocol, Port: port.Number}).Allowed
			}
			out = append(out, p)
		}
	}
	return out
}

// toService fills in what becomes of a connection to a frontend. What no Service is
// served at connects to nobody.
func (o *MatrixOptions) toService(p *Probe, source netip.Addr, frontend netip.AddrPort, protocol abi.Protocol, node string) {
	port, served := o.On(node).At(protocol, frontend)
	if !served {
		return
	}
	answer := throughService(o.View, source, Route{frontend, port})
	p.Connected, p.Partly = answer.Verdict == "allow", answer.Verdict == Differs
	for _, b := range answer.Service.Backends {
		if b.Verdict == "allow" {
			p.Answers = append(p.Answers, cmp.Or(b.Pod, b.Address))
		}
	}
}
