package attach

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/containernetworking/cni/pkg/types"
)

// members are the Pods that are attached, or being attached or detached. A Pod is entered before anything is changed for it
// and leaves when everything is undone, so that the gateway's MTU and proxies fit all of them at any moment.
type members struct {
	mu   sync.Mutex
	pods map[podKey]*member
}

type member struct {
	Attachment
	ready   bool // ADD has been answered
	waiting bool // a route waits for its source address
}

// claim enters a Pod, unless another has one of its addresses.
func (m *members) claim(a *Attachment) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if owner := m.ownerLocked(a.Addresses, a.key()); owner != nil {
		return types.NewError(CodeAddressTaken, fmt.Sprintf("Pod %s has an address that Pod %s has, which is attached: %v", a.key(), owner.key(), a.Addresses),
			fmt.Sprintf("see why the plugin that assigns addresses gave one twice, and delete one of the Pods (container %s)", owner.ContainerID))
	}
	m.pods[a.key()] = &member{Attachment: *a}
	return nil
}

// owner returns another Pod that has one of the addresses.
func (m *members) owner(addresses []netip.Addr, except podKey) *Attachment {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ownerLocked(addresses, except)
}

func (m *members) ownerLocked(addresses []netip.Addr, except podKey) *Attachment {
	for key, p := range m.pods {
		if key != except && slices.ContainsFunc(addresses, func(a netip.Addr) bool { return slices.Contains(p.Addresses, a) }) {
			a := p.Attachment
			return &a
		}
	}
	return nil
}

// put replaces what is known about a Pod.
func (m *members) put(a *Attachment, ready, waiting bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pods[a.key()] = &member{Attachment: *a, ready: ready, waiting: waiting}
}

func (m *members) remove(pod podKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pods, pod)
}

// get returns a copy, or nil.
func (m *members) get(pod podKey) *member {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.pods[pod]; p != nil {
		c := *p
		return &c
	}
	return nil
}

// byContainer finds the attachment of a container's interface, or nil.
func (m *members) byContainer(containerID, ifName string) *member {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.pods {
		if p.ContainerID == containerID && p.IfName == ifName {
			c := *p
			return &c
		}
	}
	return nil
}

// of finds the attachment that a request is about, or nil: that of its container, or of its Pod if that was adopted, as the
// runtime has not told its container's id then.
func (m *members) of(t *target) *member {
	if found := m.byContainer(t.containerID, t.ifName); found != nil {
		return found
	}
	found := m.get(t.pod)
	if found == nil || !found.Adopted() || found.IfName != t.ifName || found.UID != "" && t.uid != "" && found.UID != t.uid {
		return nil
	}
	return found
}

// all returns copies, ordered by name.
func (m *members) all() []*member {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]*member, 0, len(m.pods))
	for _, p := range m.pods {
		c := *p
		list = append(list, &c)
	}
	slices.SortFunc(list, func(a, b *member) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return list
}
