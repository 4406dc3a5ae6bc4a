package kube

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/sdk/go/jsonscan"
)

// Protocol reads the name of a protocol that has ports in Kubernetes.
func Protocol(d *jsonscan.Decoder) (abi.Protocol, error) {
	name, err := d.String()
	if err != nil {
		return 0, err
	}
	switch name {
	case "TCP":
		return abi.TCP, nil
	case "UDP":
		return abi.UDP, nil
	case "SCTP":
		return abi.SCTP, nil
	}
	return 0, d.Fail(quote(name) + " is none of TCP, UDP, SCTP")
}

// PortNumber reads 1 to 65535.
func PortNumber(d *jsonscan.Decoder) (uint16, error) {
	n, err := d.Int64()
	if err == nil && (n < 1 || n > 65535) {
		err = d.Fail(strconv.FormatInt(n, 10) + " is no port number (1 to 65535)")
	}
	return uint16(n), err
}

// PortName reads a name that a container port can have: RFC 6335, section 5.1
// (at most 15 of a-z 0-9 -, one of them a letter, no hyphen at an end or beside
// another).
func PortName(d *jsonscan.Decoder) (string, error) {
	name, err := d.String()
	if err != nil {
		return "", err
	}
	good := name != "" && len(name) <= 15 && name[0] != '-' && name[len(name)-1] != '-' && !strings.Contains(name, "--")
	letter := false
	for i := 0; i < len(name) && good; i++ {
		letter = letter || 'a' <= name[i] && name[i] <= 'z'
		good = isLower(name[i]) || name[i] == '-'
	}
	switch {
	case !good:
		return "", d.Fail(quote(name) + " is no port name (at most 15 of a-z 0-9 -, no hyphen at an end or beside another)")
	case !letter:
		return "", d.Fail(quote(name) + " is no port name, for want of a letter; a number is written without quotes")
	}
	return name, nil
}

// SortPorts sorts the ports of a rule, which are ORed, and keeps each once.
func SortPorts(ports []abi.Port) []abi.Port {
	slices.SortFunc(ports, func(a, b abi.Port) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Name, b.Name), cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last))
	})
	return slices.Compact(ports)
}
