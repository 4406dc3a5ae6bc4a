package bench

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

type trafficSize struct {
	rules  []int // of policies about the Pods; the first is what the others are compared with
	rounds int
	lasts  time.Duration // one measurement
}

func TestTraffic(t *testing.T) {
	out := newTable()
	traffic(t, out, trafficSize{rules: []int{0, 60}, rounds: 1, lasts: 50 * time.Millisecond})
	want := len(gauges) * len(trafficPaths) * 2
	if !kernelDatapath() {
		want += len(trafficPaths) // processor time, with rules
	}
	if len(out.Rows) != want {
		t.Errorf("%d rows, want %d", len(out.Rows), want)
	}
}

// gauges are what is measured of a link.
var gauges = []struct {
	name    string
	unit    string
	measure func(link, testing.TB, time.Duration) float64
	// smaller is better
	smaller bool
}{
	{"TCP throughput", "Mbit/s", link.throughput, false},
	{"UDP, 64 bytes", "packets/s", link.packets, false},
	{"round trip, p50", "µs", link.roundTrip, true},
	{"TCP connections", "/s", link.connections, false},
}

// trafficPaths are where the traffic goes.
var trafficPaths = []struct{ name, from, to string }{
	{"same node", "shop/a", "shop/b"},
	{"two nodes", "shop/a", "shop/c"},
}

const trafficPods = `
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: a, tier: front}}
spec: {nodeName: east, containers: [{name: c, image: none}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop, labels: {app: b, tier: back}}
spec: {nodeName: east, containers: [{name: c, image: none}]}
---
apiVersion: v1
kind: Pod
metadata: {name: c, namespace: shop, labels: {app: c, tier: back}}
spec: {nodeName: west, containers: [{name: c, image: none}]}
`

// traffic measures what packets cost: in a lab in which the primary plugin is
// alone, and in one with Sluice under few and under many rules. They take turns,
// round by round, so that what else the machine does meets all alike; of each the
// median counts. The rules change in one and the same lab because two labs that are
// alike differ by some percent, as their switches lie in memory.
func traffic(tb testing.TB, out *table, size trafficSize) {
	alone := startLab(tb, lab.Options{PolicyFree: true}, trafficPods)
	sluiced := startLab(tb, lab.Options{}, trafficPods)
	turns := 1 + len(size.rules) // ptp alone, then the rules
	policies := make([]string, turns)
	for i, n := range size.rules {
		policies[1+i] = trafficPolicies(n)
	}
	seen := make([]trafficSeries, len(trafficPaths)*len(gauges))
	for i := range seen {
		seen[i] = trafficSeries{figures: make([][]float64, turns), costs: make([][]float64, turns)}
	}
	for round := range size.rounds {
		for k := range turns {
			turn, l := (round+k)%turns, alone
			if turn > 0 {
				l = sluiced
				putPolicies(tb, l, policies[turn])
				atRest(tb, l)
			}
			for i, path := range trafficPaths {
				to := link{l, path.from, path.to, labtest.Address(tb, l, path.to, false)}
				for j, gauge := range gauges {
					before, begin := switchTime(tb, l), time.Now()
					figure := gauge.measure(to, tb, size.lasts)
					cost := float64(switchTime(tb, l)-before) / (figure * time.Since(begin).Seconds())
					seen[i*len(gauges)+j].add(turn, figure, cost)
				}
			}
		}
	}
	for i, s := range seen {
		path, gauge := trafficPaths[i/len(gauges)].name, gauges[i%len(gauges)]
		tb.Logf("%s, %s, ptp alone and with %d rules: %.0f", gauge.name, path, size.rules, s.figures)
		work := fmt.Sprintf("%s, %s, %s: ", gauge.name, path, sluiced.Datapath())
		out.add(row{Work: work + "with Sluice, no rules", Figure: median(s.figures[1]), Unit: gauge.unit, Peer: "ptp alone", PeerFigure: median(s.figures[0])})
		for k, n := range size.rules[1:] {
			most := aim{Of: "ratio", Limit: 0.95, Least: true}
			if gauge.smaller {
				most = ratioAtMost(1.05)
			}
			out.add(row{
				Work: fmt.Sprintf("%s%d rules", work, n), Figure: median(s.figures[k+2]), Unit: gauge.unit,
				Peer: "no rules", PeerFigure: median(s.figures[1]), Aim: most,
			})
			if gauge.unit == "packets/s" && sluiced.Datapath() == lab.DatapathNetdev {
				out.add(row{
					Work: fmt.Sprintf("... processor time of the switches for a packet, %d rules", n), Figure: median(s.costs[k+2]), Unit: "ns",
					Peer: "no rules", PeerFigure: median(s.costs[1]), Aim: ratioAtMost(1.05),
				})
			}
		}
	}
}

// atRest waits until the switches have little left to do about the last change, at
// most ten seconds: what a change costs is measured elsewhere.
func atRest(tb testing.TB, l *lab.Lab) {
	const while = 250 * time.Millisecond
	for range 40 {
		before := switchTime(tb, l)
		time.Sleep(while)
		if switchTime(tb, l)-before < while/25 {
			return
		}
	}
}

// trafficSeries is what was measured of one gauge on one path, by turn.
type trafficSeries struct {
	figures [][]float64
	costs   [][]float64 // processor time of the switches, in ns, for one of what is counted
}

func (s *trafficSeries) add(turn int, figure, cost float64) {
	s.figures[turn] = append(s.figures[turn], figure)
	s.costs[turn] = append(s.costs[turn], cost)
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// trafficPolicies are policies with n rules in all about every Pod of the
// measurement, in both directions: a tenth of them let its traffic pass by port, and each
// of the others has other peers and other ports, so that what a packet is judged by is
// addresses, classes, ports and ranges.
func trafficPolicies(n int) string {
	const inOne = 50 // rules of a policy
	var text strings.Builder
	for first := 0; first < n; first += inOne {
		fmt.Fprintf(&text, "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: rules-%05d, namespace: shop}\nspec:\n", first)
		text.WriteString("  podSelector: {}\n  policyTypes: [Ingress, Egress]\n")
		for section, peers := range map[string]string{"ingress": "from", "egress": "to"} {
			fmt.Fprintf(&text, "  %s:\n", section)
			for i := first; i < min(first+inOne, n); i++ {
				if (i%2 == 0) == (section == "ingress") {
					fmt.Fprintf(&text, "  - %s\n", trafficRule(i/2, peers))
				}
			}
		}
	}
	return text.String()
}

func trafficRule(i int, peers string) string {
	high, low := i/250, i%250
	switch i % 5 {
	case 0:
		return fmt.Sprintf("{%s: [{podSelector: {}}], ports: [{port: %d}, {port: %d, protocol: UDP}, {port: %d}]}", peers, streamPort, packetPort, 20000+i)
	case 1:
		return fmt.Sprintf(`{%s: [{ipBlock: {cidr: 10.%d.%d.0/24, except: [10.%[2]d.%[3]d.128/25]}}, {ipBlock: {cidr: "fd00:%[4]x::/32"}}], ports: [{port: %[5]d}]}`, peers, 2+high, low, 0x100+i, 20000+i)
	case 2:
		return fmt.Sprintf("{%s: [{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [x%d]}]}}], ports: [{port: %d, endPort: %d}]}", peers, i, 30000+i, 30007+i)
	case 3:
		return fmt.Sprintf("{%s: [{namespaceSelector: {matchLabels: {team: t%d}}}, {podSelector: {matchLabels: {tier: back}}}], ports: [{port: %d, protocol: UDP}]}", peers, i, 20000+i)
	}
	return fmt.Sprintf("{%s: [{ipBlock: {cidr: 10.1.0.0/16}}, {ipBlock: {cidr: 198.51.%d.%d/32}}], ports: [{port: %d}]}", peers, high, low, 20000+i)
}
