package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tests/kernel/errand"
)

// part is one package whose tests say something about the datapath. Everything
// else is the same on both and is tested where it is not emulated.
type part struct {
	name  string
	pkg   string
	tests string   // regular expression, as for go test -run
	skip  string   // as for go test -skip
	bench string   // as for go test -bench; then no tests are run
	data  []string // directories of the package that it reads
	limit time.Duration
	apart bool // not part of "all"
}

// parts are all there are, in the order in which they are run.
var parts = []part{
	{
		name: "insertion", pkg: "./tests/transparency", limit: 15 * time.Minute,
		tests: "PacketsArriveAsWithoutSluice$/MTU_1500|Neighbours|LinkLocal|NoTwoFlows|Semantics|Redirects",
	},
	{
		name: "layouts", pkg: "./tests/transparency", limit: 20 * time.Minute, apart: true, // the same again, with larger packets and behind the clouds' CNI plugins
		tests: "PacketsArriveAsWithoutSluice$/MTU_9000|PacketsArriveAsWithoutSluiceBehindClouds",
	},
	{name: "attach", pkg: "./host/attach", tests: "Adopt|Eject|NotThere|Chain|Add|Reconcile|Run|TCPAndUDP|MTU|Check|Status", skip: "AddTime", limit: 10 * time.Minute},
	{name: "agent", pkg: "./host/agent", tests: "Adopt|Window|Uninstall|Existing|Reject|Audit|Rules|Check", limit: 10 * time.Minute},
	// Of the numbers of backends one is enough there: connections by the hundred thousand are slow.
	{name: "services", pkg: "./tests/services", tests: ".", skip: "Thousand|EqualShares/_(10|37)_backends", limit: 15 * time.Minute},
	{name: "traffic", pkg: "./tests/bench", bench: "Benchmark$/^traffic$", limit: 25 * time.Minute, apart: true},
	{
		// Of the scenarios those that differ in the kinds of flows: whom a selector means was decided before there are any.
		name: "lab", pkg: "./tests/lab", data: []string{"testdata"}, limit: 25 * time.Minute,
		tests: "TestScenarios$/^(both-directions|end-port|host-network|ipblock-external|ipblock-pods|named-ports|own-node|protocols|sctp-only|" +
			"service-.*|single-stack|two-nodes|union)$|AgentKilledUnderTraffic|ModuleSwapped|ComeAndGo|Semantics|DeletedByHand|Move|Names",
	},
}

// choose finds parts by their names, separated by commas; "all" are those that
// are not to be asked for by name.
func choose(names string) ([]part, error) {
	if names == "all" {
		return slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return p.apart }), nil
	}
	var chosen []part
	for _, name := range strings.Split(names, ",") {
		i := slices.IndexFunc(parts, func(p part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no part %q: choose all, or some of %s", name, strings.Join(partNames(), ","))
		}
		chosen = append(chosen, parts[i])
	}
	return chosen, nil
}

func partNames() []string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

// dir is where the part's program and data lie in the guest. Like the package
// itself it is two below the root of what was built.
func (p part) dir() string { return path.Join("/work/parts", p.name) }

func (p part) program() string { return path.Join(p.dir(), p.name+".test") }

// errand is how the guest runs the part.
func (p part) errand() errand.Errand {
	// One test at a time: what is measured is not to wait for the others, and the
	// guest has two slow processors.
	args := []string{p.program(), "-test.v", "-test.parallel=1", "-test.timeout=" + p.limit.String()}
	if p.bench != "" {
		args = append(args, "-test.run=^$", "-test.bench="+p.bench)
	} else {
		args = append(args, "-test.run="+p.tests, "-test.skip="+p.skip)
	}
	// The program's own limit comes first, as it says where it was.
	return errand.Errand{Name: p.name, Dir: p.dir(), Args: args, Limit: p.limit + time.Minute}
}
