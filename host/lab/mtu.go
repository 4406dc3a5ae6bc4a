package lab

// defaultMTU is what Linux gives Ethernet devices, in bytes.
const defaultMTU = 1500

// mtu is that of a Pod's device, in bytes.
func (l *Lab) mtu(pod PodPlan) int {
	if mtu := l.options.PodMTU[pod.Key()]; mtu != 0 {
		return mtu
	}
	return l.wireMTU()
}

// wireMTU is that of the wires between the nodes, the router and the external
// host, in bytes.
func (l *Lab) wireMTU() int {
	if l.options.MTU != 0 {
		return l.options.MTU
	}
	return defaultMTU
}
