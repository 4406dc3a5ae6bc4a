package kube

import (
	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/sdk/go/jsonscan"
)

// PolicyPorts reads a list of NetworkPolicyPort (networking.k8s.io/v1). "If this field is empty or
// missing, this rule matches all ports." They are ORed, so they are sorted, each
// once.
func PolicyPorts(d *jsonscan.Decoder) ([]abi.Port, error) {
	var ports []abi.Port
	err := List(d, func() error {
		port, err := policyPort(d)
		ports = append(ports, port)
		return err
	})
	return SortPorts(ports), err
}

// policyPort reads a NetworkPolicyPort. "If this field [protocol] is not
// specified, it defaults to TCP"; "If this field [port] is not provided, this
// matches all port names and numbers" of that protocol; endPort is the last port
// of a range, itself included.
func policyPort(d *jsonscan.Decoder) (abi.Port, error) {
	port := abi.Port{Protocol: abi.TCP}
	var end uint16
	seen, err := Object(d, func(field []byte) (err error) {
		switch string(field) {
		case "protocol":
			port.Protocol, err = Protocol(d)
		case "port":
			if d.Kind() == jsonscan.String {
				port.Name, err = PortName(d)
			} else {
				port.First, err = PortNumber(d)
			}
		case "endPort":
			end, err = PortNumber(d)
		default:
			err = ErrUnknown
		}
		return err
	})
	port.Last = port.First
	switch {
	case err != nil:
	case seen.Known == 0:
		err = seen.NotOnlyUnknown(d, "allows every TCP port")
	case end == 0:
	case port.First == 0:
		err = Wrong(d, "endPort", "needs a port that is a number, from which the range runs")
	case end < port.First:
		err = Wrong(d, "endPort", "is less than port")
	default:
		port.Last = end
	}
	return port, err
}
