package transparency

import (
	"strings"

	"github.com/sluice-net/sluice/host/lab"
)

// situation is what a comparison was made in.
type situation struct {
	title   string
	policed bool // policy is in force
	lab     *lab.Lab
}

// exception is a difference that is there, and why. One that is no longer there
// fails the test too.
type exception struct {
	paths   []string // prefixes of their names; none: all
	cases   []string // names and protocols
	v4, v6  bool
	policed bool // only where policy is in force
	// netdev: only with the userspace datapath.
	netdev bool
	// primary: only behind this one.
	primary string
	reason  string
}

func exceptions() []exception {
	local, remote := []string{"Pod > Pod, same node"}, []string{"Pod > Pod, two nodes", "Pod > external"}
	notFromHost := []string{"Pod > Pod, ", "Pod > host", "Pod > other host", "Pod > external", "external > Pod"}
	return []exception{
		{
			paths: local, v4: true,
			cases:  []string{"record route options", "timestamp, full options", "source route options", "source route, used up options"},
			reason: "OpenFlow does not see IPv4 options: the bridge neither writes them as a router would nor refuses source routes, as Linux does",
		},
		{
			netdev: true, v4: true, v6: true, cases: []string{"first one only fragments"},
			reason: "the userspace datapath holds fragments back until the datagram is whole",
		},
		{
			netdev: true, v4: true, v6: true, cases: []string{"of 68 bytes fragments"},
			reason: "the userspace datapath cannot be told to take fragments that are not the last and smaller than 400 bytes for anything but an attack (ipf-set-min-frag of ovs-vswitchd(8)), and then waits in vain for the rest",
		},
		{
			netdev: true, policed: true, paths: remote, v4: true, v6: true, cases: []string{"fragments TTL 2 TTL"},
			reason: "the userspace datapath does not find out to which connection an ICMP error about a fragment belongs",
		},
		{
			netdev: true, policed: true, primary: lab.PrimaryEKS, paths: []string{"Pod > other host"}, v4: true, cases: []string{"fragments TTL 2 TTL"},
			reason: "the same, as the way from the second interface leads over the router",
		},
		{
			policed: true, paths: notFromHost, v4: true, v6: true, cases: []string{"about nothing ICMP errors"},
			reason: "an ICMP error about a connection that does not exist belongs to none that policy allows (SEMANTICS 29)",
		},
	}
}

// excepted says why a difference is expected.
func (s situation) excepted(key resultKey) (reason string, ok bool) {
	for _, e := range exceptions() {
		if e.policed && !s.policed || e.netdev && s.lab.Datapath() != lab.DatapathNetdev || e.primary != "" && e.primary != s.lab.Primary() || key.v6 && !e.v6 || !key.v6 && !e.v4 {
			continue
		}
		if (len(e.paths) == 0 || hasPrefix(key.path, e.paths)) && contains(e.cases, key.kase) {
			return e.reason, true
		}
	}
	return "", false
}

func hasPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}
