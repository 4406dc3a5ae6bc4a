package meaning

import (
	"net/netip"

	"github.com/sluice-net/sluice/abi"
)

// World is what selectors are asked about.
type World struct {
	Namespaces map[string]map[string]string // labels by name
	Ends       []*End
}

// End is one end of a connection: a Pod, a node, or an address of nobody.
type End struct {
	Addr      netip.Addr
	Pod       string // empty for what is no Pod
	Node      string // empty for what is no node
	Namespace string // of a Pod
	Labels    map[string]string
	Ports     []NamedPort
}

// NamedPort is a port that a Pod gives a name to.
type NamedPort struct {
	Name     string
	Protocol abi.Protocol
	Number   uint16
}

// Connection is from one end to a port of another.
type Connection struct {
	Source, Destination *End
	Protocol            abi.Protocol
	Port                uint16
}

// Sides gives the end that a rule of this direction is about, and the other.
func (c Connection) Sides(direction abi.Direction) (subject, peer *End) {
	if direction == abi.Ingress {
		return c.Destination, c.Source
	}
	return c.Source, c.Destination
}

// Connections are those between all ends, also from one to itself, on all ports.
func (w *World) Connections(ports ...uint16) []Connection {
	var all []Connection
	for _, source := range w.Ends {
		for _, destination := range w.Ends {
			for _, protocol := range []abi.Protocol{abi.TCP, abi.UDP, abi.SCTP} {
				for _, port := range ports {
					all = append(all, Connection{source, destination, protocol, port})
				}
			}
		}
	}
	return all
}
