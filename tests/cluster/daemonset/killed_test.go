package daemonset

import (
	"fmt"

	"github.com/sluice-net/sluice/tests/cluster/installed"
)

// killed ends the agent of each node with SIGKILL and lets kubelet start it again, while
// connections that policy allows and others that it denies are opened all the time. Those
// that it allows are datagrams from ever new ports, whose echoes may take their time: what
// a busy machine does late is not lost.
func killed(w *world, server string, streams map[string]streaming) {
	allowed, denied := []string{"friend-near", "friend-far"}, []string{"stranger-near", "stranger-far"}
	lossless := []string{"dial", "-network", "udp", "-patience", "5s", server}
	w.start(
		pod{name: allowed[0], node: "n1", app: "friend", args: lossless},
		pod{name: allowed[1], node: "n2", app: "friend", args: lossless},
	)
	before := map[string]tally{}
	for _, name := range allowed {
		w.becomes(name, true)
		before[name] = w.outcomes(name)
	}
	for _, name := range denied {
		w.becomes(name, false)
		before[name] = w.outcomes(name)
	}
	for _, n := range w.c.Nodes {
		was := w.restarts(n.Name())
		w.signal(n, "KILL")
		w.eventually("the agent of "+n.Name()+" runs again", func() (bool, string) {
			now := w.restarts(n.Name())
			return now.count > was.count && now.ready, fmt.Sprintf("%+v", now)
		})
	}
	for _, name := range allowed {
		w.becomes(name, true) // attempts are told in their order: all before are known
		was, now := before[name], w.outcomes(name)
		w.Logf("%s: %d connections opened, %d lost", name, now.Through-was.Through, now.Refused-was.Refused)
		if now.Refused != was.Refused || now.Through == was.Through {
			w.Errorf("%s: %+v before, %+v after", name, was, now)
		}
	}
	for _, name := range denied {
		was, now := before[name], w.outcomes(name)
		w.Logf("%s: %d connections refused, %d let through", name, now.Refused-was.Refused, now.Through-was.Through)
		if now.Through != was.Through || now.Refused == was.Refused {
			w.Errorf("%s: %+v before, %+v after", name, was, now)
		}
	}
	for name, was := range streams {
		now := w.flows(name, was)
		if now.Lost != was.Lost {
			w.Errorf("%s lost %d datagrams", name, now.Lost-was.Lost)
		}
		streams[name] = now
	}
	w.remove("apiVersion: v1\nkind: Pod\nmetadata: {name: friend-near}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: friend-far}\n")
}

// restarted is how often kubelet has started a node's agent again.
type restarted struct {
	count int
	ready bool
}

func (w *world) restarts(node string) (r restarted) {
	w.Helper()
	out := w.kubectl("-n", installed.Namespace, "get", "pod", w.agent(node), "-o", `jsonpath={.status.containerStatuses[?(@.name=="agent")].restartCount} {.status.containerStatuses[?(@.name=="agent")].ready}`)
	if _, err := fmt.Sscan(out, &r.count, &r.ready); err != nil {
		w.Fatalf("restarts of the agent of %s: %q: %v", node, out, err)
	}
	return r
}
