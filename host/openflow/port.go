package openflow

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
)

// Port is a port of the bridge.
type Port struct {
	Number uint32
	Name   string // at most 15 bytes; Open vSwitch cuts longer ones
	MAC    net.HardwareAddr
	// Up says that the link is up and nobody has set the port down.
	Up bool
}

// PortStatus is a change of a port.
type PortStatus struct {
	Change PortChange
	Port   Port
}

// PortChange is what happened to a port.
type PortChange uint8

// What can happen to a port.
const (
	PortAdded    PortChange = 0
	PortDeleted  PortChange = 1
	PortModified PortChange = 2
)

const (
	portConfigDown = 1
	portLinkDown   = 1
)

// decodePorts reads the body of a part of a port description reply.
func decodePorts(body []byte, ports []Port) ([]Port, error) {
	for len(body) > 0 {
		p, n, err := decodePort(body)
		if err != nil {
			return ports, err
		}
		ports = append(ports, p)
		body = body[n:]
	}
	return ports, nil
}

func decodePort(wire []byte) (Port, int, error) {
	be := binary.BigEndian
	if len(wire) < 40 {
		return Port{}, 0, fmt.Errorf("port: %d bytes are left, needs at least 40", len(wire))
	}
	length := int(be.Uint16(wire[4:]))
	if length < 40 || length > len(wire) {
		return Port{}, 0, fmt.Errorf("port: length %d, %d bytes are left", length, len(wire))
	}
	name, _, _ := bytes.Cut(wire[16:32], []byte{0})
	return Port{
		Number: be.Uint32(wire),
		Name:   string(name),
		MAC:    append(net.HardwareAddr(nil), wire[8:14]...),
		Up:     be.Uint32(wire[32:])&portConfigDown == 0 && be.Uint32(wire[36:])&portLinkDown == 0,
	}, length, nil
}

func decodePortStatus(body []byte) (PortStatus, error) {
	if len(body) < 8 {
		return PortStatus{}, fmt.Errorf("port status: %d bytes, needs at least 8", len(body))
	}
	p, _, err := decodePort(body[8:])
	return PortStatus{PortChange(body[0]), p}, err
}
