package verdict

import (
	"fmt"
	"net/netip"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
)

// End is one end of connections: a Pod, or an address outside.
type End struct {
	Name      string // namespace/pod, or the address
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
}

// Matrix asks about every ordered pair of ends, an end with itself included, every
// port of the second, and every address family that both have.
func Matrix(view policy.View, ends []End) ([]Probe, error) {
	probes := []Probe{}
	for _, from := range ends {
		for _, to := range ends {
			for _, port := range to.Ports {
				protocol, err := protocolOf(port.Protocol)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", to.Name, err)
				}
				probes = append(probes, probesOf(view, from, to, port, protocol)...)
			}
		}
	}
	return probes, nil
}

func probesOf(view policy.View, from, to End, port Port, protocol abi.Protocol) []Probe {
	var out []Probe
	for _, source := range from.Addresses {
		for _, destination := range to.Addresses {
			if source.Is4() != destination.Is4() {
				continue
			}
			v := policy.Evaluate(view, policy.Packet{Source: source, Destination: destination, Protocol: protocol, Port: port.Number})
			out = append(out, Probe{
				From: from.Name, To: to.Name, Address: destination.String(), Protocol: port.Protocol, Port: port.Number,
				Connected: v.Allowed,
			})
		}
	}
	return out
}
