package translate

import (
	"strconv"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/sdk/go/jsonscan"
	"github.com/sluice-net/sluice/sdk/go/kube"
)

// readProtocol reads a ClusterNetworkPolicyProtocol: "Exactly one field must be
// set." It is not known if nothing, or nothing known of a protocol, is set. A
// named port names no protocol, so it is that port of each.
func readProtocol(d *jsonscan.Decoder) (ports []abi.Port, known bool, err error) {
	seen, err := kube.Object(d, func(field []byte) (err error) {
		port := abi.Port{}
		switch string(field) {
		case "tcp":
			port.Protocol = abi.TCP
		case "udp":
			port.Protocol = abi.UDP
		case "sctp":
			port.Protocol = abi.SCTP
		case "destinationNamedPort":
			name, err := readName(d)
			for _, protocol := range []abi.Protocol{abi.TCP, abi.UDP, abi.SCTP} {
				ports = append(ports, abi.Port{Protocol: protocol, Name: name})
			}
			known = true
			return err
		default:
			return kube.ErrUnknown
		}
		port.First, port.Last, known, err = readTransport(d)
		ports = append(ports, port)
		return err
	})
	if err == nil && seen.Known > 1 {
		err = d.Fail("sets more than one protocol; they are ORed, so give each an entry of its own")
	}
	return ports, known, err
}

// readName reads the name of a port. The API admits any, also one that no port
// can have.
func readName(d *jsonscan.Decoder) (string, error) {
	name, err := d.String()
	if err == nil && (name == "" || len(name) > abi.MaxName) {
		err = d.Fail("must have 1 to " + strconv.Itoa(abi.MaxName) + " bytes")
	}
	return name, err
}

// readTransport reads a ClusterNetworkPolicyProtocolTCP or its likes, each of
// which must say something of the protocol, and can only say destinationPort.
func readTransport(d *jsonscan.Decoder) (first, last uint16, known bool, err error) {
	_, err = kube.Object(d, func(field []byte) (err error) {
		if string(field) != "destinationPort" {
			return kube.ErrUnknown
		}
		first, last, known, err = readPort(d)
		return err
	})
	return first, last, known, err
}

// readPort reads a Port: "You must specify either Port or Range." Both ends of a
// range belong to it.
func readPort(d *jsonscan.Decoder) (first, last uint16, known bool, err error) {
	seen, err := kube.Object(d, func(field []byte) (err error) {
		switch string(field) {
		case "number":
			first, err = kube.PortNumber(d)
			last = first
		case "range":
			first, last, err = readRange(d)
		default:
			err = kube.ErrUnknown
		}
		return err
	})
	if err == nil && seen.Known > 1 {
		err = d.Fail("sets both number and range")
	}
	return first, last, seen.Known > 0, err
}

func readRange(d *jsonscan.Decoder) (start, end uint16, err error) {
	_, err = kube.Object(d, func(field []byte) (err error) {
		switch string(field) {
		case "start":
			start, err = kube.PortNumber(d)
		case "end":
			end, err = kube.PortNumber(d)
		default:
			err = kube.ErrUnknown
		}
		return err
	})
	switch {
	case err != nil:
	case start == 0:
		err = kube.Wrong(d, "start", "is required")
	case end == 0:
		err = kube.Wrong(d, "end", "is required")
	case start >= end:
		err = d.Fail("start must be less than end")
	}
	return start, end, err
}
