package inventory

import (
	"slices"
	"strings"

	"github.com/sluice-net/sluice/abi"
)

// portName is a port name that a Pod gives or somebody acquired.
type portName struct {
	name    string
	live    int  // acquisitions
	settled bool // whether classes are told apart by it now
	pods    int  // ports of Pods that have the name
}

// AcquirePortName makes classes tell apart what Pods mean by this name. It is
// counted: each acquisition needs a release.
func (inv *Inventory) AcquirePortName(name string) {
	inv.published = nil
	n := inv.portName(name)
	n.live++
	inv.notePortName(n)
}

// ReleasePortName takes one acquisition back. Releasing what is not acquired
// does nothing.
func (inv *Inventory) ReleasePortName(name string) {
	n := inv.portNames[name]
	if n == nil || n.live == 0 {
		return
	}
	inv.published = nil
	n.live--
	inv.notePortName(n)
	inv.forgetPortName(n)
}

// ClassPort returns the port numbers that the name stands for, with this
// protocol, in the Pods of the class, ascending. One Pod may give one name to
// several numbers. The name must be acquired.
func (inv *Inventory) ClassPort(id ClassID, protocol abi.Protocol, name string) []uint16 {
	inv.settle()
	c := inv.classes[id]
	if c == nil {
		return nil
	}
	var numbers []uint16
	for _, p := range c.ports {
		if p.Name == name && p.Protocol == protocol {
			numbers = append(numbers, p.Number)
		}
	}
	return numbers
}

func (inv *Inventory) portName(name string) *portName {
	n := inv.portNames[name]
	if n == nil {
		name = strings.Clone(name)
		n = &portName{name: name}
		inv.portNames[name] = n
	}
	return n
}

func (inv *Inventory) forgetPortName(n *portName) {
	if n.live == 0 && n.pods == 0 && !n.settled {
		delete(inv.portNames, n.name)
	}
}

func (inv *Inventory) notePortName(n *portName) {
	if n.pods == 0 {
		n.settled = n.live > 0
	}
	if (n.live > 0) == n.settled {
		delete(inv.restlessPN, n)
	} else {
		inv.restlessPN[n] = struct{}{}
	}
}

// internPorts returns the named ports sorted, without duplicates, with names
// that are held only once.
func (inv *Inventory) internPorts(ports []NamedPort) []NamedPort {
	if len(ports) == 0 {
		return nil
	}
	kept := sortedPorts(ports)
	for i := range kept {
		n := inv.portName(kept[i].Name)
		n.pods++
		kept[i].Name = n.name
	}
	return kept
}

func (inv *Inventory) forgetPorts(ports []NamedPort) {
	for _, p := range ports {
		n := inv.portNames[p.Name]
		n.pods--
		inv.forgetPortName(n)
	}
}

// tellingPorts are those of the ports by whose name classes are told apart.
func (inv *Inventory) tellingPorts(ports []NamedPort) []NamedPort {
	var telling []NamedPort
	for _, p := range ports {
		if inv.portNames[p.Name].settled {
			telling = append(telling, p)
		}
	}
	return slices.Clip(telling)
}
