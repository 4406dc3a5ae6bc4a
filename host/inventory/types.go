package inventory

import (
	"net/netip"

	"github.com/sluice-net/sluice/abi"
)

// ClassID numbers a class: all Pods that no acquired set and no acquired port
// name can tell apart. 0 is no class. The number is a hash of the class key,
// so another process that knows the same objects arrives at the same number.
type ClassID uint32

// BlockID numbers a block: all addresses that lie in the same Addresses and
// Nodes sets. 0 is no block. The number is a hash of the keys of those sets.
type BlockID uint32

// SetKey names a set. Names are the module's own.
type SetKey struct{ Module, Name string }

// String is the key for people: "module/name".
func (k SetKey) String() string { return k.Module + "/" + k.Name }

// Compare orders keys by module, then by name.
func (k SetKey) Compare(other SetKey) int {
	if k.Module != other.Module {
		return compareStrings(k.Module, other.Module)
	}
	return compareStrings(k.Name, other.Name)
}

// Pod is what the inventory wants to know of a Pod object. The caller keeps
// the slices and maps: they are read, not kept.
type Pod struct {
	Namespace string
	Name      string
	UID       string // a put with another UID is another Pod of the same name
	Labels    map[string]string
	Addresses []netip.Addr // status.podIPs; read only while the Pod is not attached
	Node      string       // spec.nodeName
	Ports     []NamedPort  // named ports of all containers, sidecars (restartable init containers) included

	// HostNetwork Pods are in no class: their address is their node's.
	HostNetwork bool
	// Finished is phase Succeeded or Failed. Such a Pod is in no class from
	// now on, for its address may already be another Pod's. A Pod that is
	// being deleted is not finished until it ends.
	Finished bool
}

// NamedPort is a container port that has a name.
type NamedPort struct {
	Name     string
	Protocol abi.Protocol // TCP, UDP or SCTP
	Number   uint16
}

// Namespace is a Namespace object. The label kubernetes.io/metadata.name is
// implied and need not be in Labels.
type Namespace struct {
	Name   string
	Labels map[string]string
}

// Node is a Node object, with all of its addresses of either family.
type Node struct {
	Name      string
	Labels    map[string]string
	Addresses []netip.Addr
}

// ClassInfo is what is known of a class.
type ClassInfo struct {
	Namespace string
	Labels    map[string]string // restricted to the keys that acquired sets mention
	Ports     []NamedPort       // restricted to acquired port names; sorted
	Pods      int               // how many Pods are in it
	Local     int               // how many of them are attached here
}

// Changes is what became different since the last Flush: net effects only,
// each list sorted, without duplicates. Whoever applies every Changes to a
// mirror holds what the queries of the Inventory answer.
type Changes struct {
	// Addresses whose class is another one now, ordered by address.
	Addresses []AddressChange
	// Blocks is the table for longest-prefix match, ordered by prefix.
	Blocks []BlockChange
	// Sets whose SetClasses or SetBlocks answer something else now.
	Sets []SetKey
	// Classes that came or went, or whose ClassIsLocal is another now.
	Classes []ClassID
}

// AddressChange says that the address is in Class now; 0: in none.
type AddressChange struct {
	Addr  netip.Addr
	Class ClassID
}

// BlockChange says that the prefix is in Block now; 0: the prefix is gone from
// the table. A prefix that lies in no set, because an except took it out, has
// a block of its own that is in no set, so that it wins over the prefix around
// it.
type BlockChange struct {
	Prefix netip.Prefix
	Block  BlockID
}

// Empty says that nothing changed.
func (c Changes) Empty() bool {
	return len(c.Addresses) == 0 && len(c.Blocks) == 0 && len(c.Sets) == 0 && len(c.Classes) == 0
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
