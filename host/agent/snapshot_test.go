package agent

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/tests/nettest"
)

// snapshot is the node's network as its tools show it: addresses, links, routes
// of all tables, rules, nftables, kernel settings. What changes by itself is
// left out: counters, times, and what the kernel learns.
func (w *world) snapshot() string {
	w.t.Helper()
	var b strings.Builder
	for _, args := range []string{
		"-j addr", "-j -d link", "-j -4 route show table all", "-j -6 route show table all", "-j -4 rule", "-j -6 rule",
	} {
		fmt.Fprintf(&b, "# ip %s\n", args)
		var list []map[string]any
		text := nettest.Enter(w.t, w.ns, append([]string{"ip"}, strings.Fields(args)...)...)
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			w.t.Fatal(err)
		}
		var lines []string
		for _, entry := range list {
			if w.ours(entry) {
				continue
			}
			line, err := json.Marshal(entry)
			if err != nil {
				w.t.Fatal(err)
			}
			lines = append(lines, string(line))
		}
		slices.Sort(lines)
		b.WriteString(strings.Join(lines, "\n") + "\n")
	}
	fmt.Fprintf(&b, "# nft\n%s\n", nettest.Enter(w.t, w.ns, "nft", "list", "ruleset"))
	b.WriteString("# sysctl\n")
	for line := range strings.Lines(nettest.Enter(w.t, w.ns, "sysctl", "-a", "-r", `^net\.(ipv4|ipv6|netfilter)\.`)) {
		if !w.mentionsOurs(line) && !strings.Contains(line, "nf_conntrack_count") && !strings.Contains(line, "stable_secret") {
			b.WriteString(line)
		}
	}
	for _, p := range w.pods {
		fmt.Fprintf(&b, "\n# offloads of %s\n%s\n", p.name, nettest.Enter(w.t, p.ns, "ethtool", "-k", "eth0"))
	}
	return b.String()
}

// ourDevices are what an installed Sluice has and a node without it has not:
// the bridge, the gateway, and the datapath's own device.
var ourDevices = []string{"br-sluice", "sluice-gw0", "ovs-netdev", "ovs-system"}

// ours says that an entry is about a device of Sluice's. While the agent runs
// those are expected; a test of uninstalling looks for them by itself.
func (w *world) ours(entry map[string]any) bool {
	for _, key := range []string{"ifname", "dev"} {
		if name, _ := entry[key].(string); slices.Contains(ourDevices, name) {
			return true
		}
	}
	return false
}

func (w *world) mentionsOurs(line string) bool {
	return slices.ContainsFunc(ourDevices, func(name string) bool { return strings.Contains(line, "."+name+".") })
}

// same fails the test with the lines that differ.
func (w *world) same(what, got, want string) {
	w.t.Helper()
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, line := range a {
		if !slices.Contains(b, line) {
			w.t.Errorf("%s: now there is %q", what, line)
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			w.t.Errorf("%s: there is no longer %q", what, line)
		}
	}
}
