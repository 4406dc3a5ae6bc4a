package lab

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/host/scenario"
	"github.com/sluice-net/sluice/tests/labtest"
)

// in runs a shell line in a namespace of the lab.
func in(t *testing.T, l *lab.Lab, where, line string) {
	t.Helper()
	enter := strings.Fields(l.Enter(where))
	command := exec.CommandContext(t.Context(), enter[0], append(enter[1:], "sh", "-ec", line)...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("in %s: %s: %v: %s", where, line, err, out)
	}
}

// The lab is an instrument: it is calibrated against a firewall whose rules are
// known. What is dropped is refused, what is rejected is refused, what is
// translated is reported, what was blocked from the start proves nothing, and
// everything else connects.
func TestProbesSeeWhatAFirewallDoes(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "pods.yaml", twoNodes)}, PolicyFree: true})
	address := make(map[string]string)
	for _, pod := range l.Plan().Pods {
		address[pod.Key()] = pod.Addresses[0].String()
	}
	in(t, l, "east", `nft -f - <<END
table inet wall {
	chain forward {
		type filter hook forward priority 0
		ip saddr `+address["shop/c"]+` ip daddr `+address["shop/b"]+` tcp dport 80 drop
	}
}
END`)
	baseline, err := l.MeasureBaseline(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(baseline.Unusable) != 1 || baseline.Unusable[0].From != "shop/c" || baseline.Unusable[0].To != "shop/b" ||
		baseline.Unusable[0].Address != address["shop/b"] || !strings.Contains(baseline.Unusable[0].Reason, "no answer") {
		t.Errorf("unusable: %+v, want shop/c -> shop/b in IPv4 alone", baseline.Unusable)
	}
	in(t, l, "east", `nft -f - <<END
table inet wall {
	chain forward {
		ip saddr `+address["shop/a"]+` ip daddr `+address["shop/b"]+` tcp dport 80 drop
		ip6 saddr fd00:10:1:1::/64 tcp dport 80 reject with tcp reset
		ip saddr `+address["shop/c"]+` udp dport 53 reject
	}
	chain nat {
		type nat hook postrouting priority 100
		ip saddr `+address["shop/b"]+` ip daddr `+address["shop/a"]+` masquerade
	}
}
END`)
	matrix, err := l.Measure(t.Context(), baseline)
	if err != nil {
		t.Fatal(err)
	}
	for _, probe := range matrix.Probes {
		family := scenario.Family(probe.Address)
		refused := probe.From == "shop/a" && probe.To == "shop/b" && family == "v4" ||
			probe.From == "shop/c" && (probe.To == "shop/a" || probe.To == "shop/b") && probe.Protocol == "TCP" && family == "v6" ||
			probe.From == "shop/c" && probe.To == "shop/a" && probe.Protocol == "UDP" && family == "v4"
		if probe.Connected == refused {
			t.Errorf("%s: connected %v", show(probe), probe.Connected)
		}
	}
	if len(matrix.Rewritten) != 2 { // TCP and UDP
		t.Errorf("source addresses rewritten: %+v, want the two probes shop/b -> shop/a in IPv4", matrix.Rewritten)
	}
	for _, rewritten := range matrix.Rewritten {
		if rewritten.From != "shop/b" || rewritten.To != "shop/a" || rewritten.Source == address["shop/b"] {
			t.Errorf("rewritten: %+v", rewritten)
		}
	}
}

func TestProbeNeedsKnownEnds(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "pods.yaml", twoNodes)}, PolicyFree: true})
	spec := l.Probes()[0]
	for _, from := range []string{"shop/none", "host", "host:none", ""} {
		spec.From = from
		if _, err := l.Probe(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "neither a Pod of the lab") {
			t.Errorf("from %q: %v", from, err)
		}
	}
	spec = l.Probes()[0]
	spec.Protocol = "ICMP"
	if _, err := l.Probe(t.Context(), spec); err == nil {
		t.Error("a probe of protocol ICMP is made")
	}
}
