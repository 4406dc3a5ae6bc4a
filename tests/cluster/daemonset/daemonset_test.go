package daemonset

import (
	"strings"
	"testing"

	"github.com/sluice-net/sluice/tests/cluster/installed"
)

const friends = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: friends, namespace: default}
spec:
  podSelector: {matchLabels: {app: server}}
  ingress: [{from: [{podSelector: {matchLabels: {app: friend}}}]}]
`

// A cluster's whole life with Sluice: Pods that are there before it, policy, new
// Pods, an upgrade, and the end.
func TestDaemonSet(t *testing.T) {
	w := begin(t)
	var address string
	before := map[string]string{}
	streams := map[string]streaming{}

	w.step("Pods run before Sluice comes", func(w *world) {
		w.start(pod{name: "server", node: "n1", app: "server", args: []string{"serve", ":80"}})
		address = w.address("server") + ":80"
		for _, n := range w.c.Nodes { // before anything of Sluice is there
			before[n.Name()] = w.snapshot(n)
		}
		w.start(
			pod{name: "near", node: "n1", app: "friend", args: []string{"stream", "tcp", address}},
			pod{name: "far", node: "n2", app: "friend", args: []string{"stream", "tcp", address}},
			pod{name: "far-udp", node: "n2", app: "friend", args: []string{"stream", "udp", address}},
		)
		for _, name := range []string{"near", "far", "far-udp"} {
			streams[name] = w.flows(name, w.stream(name))
		}
	})

	w.step("Sluice is installed and brings them onto the bridge", func(w *world) {
		if err := installed.Install(w.Context(), w.c); err != nil {
			w.Fatal(err)
		}
		w.eventually("all four are on a bridge", func() (bool, string) {
			out := w.status("n1") + w.status("n2")
			return strings.Contains(out, "default/server") && strings.Contains(out, "default/near") &&
				strings.Contains(out, "default/far ") && strings.Contains(out, "default/far-udp"), out
		})
		for name := range streams {
			streams[name] = w.flows(name, streams[name])
			w.Logf("%s: the longest gap so far is %.1f ms", name, streams[name].Longest)
		}
	})

	w.step("A policy takes effect on both nodes", func(w *world) {
		w.start(
			pod{name: "stranger-near", node: "n1", app: "stranger", args: []string{"dial", address}},
			pod{name: "stranger-far", node: "n2", app: "stranger", args: []string{"dial", address}},
		)
		w.becomes("stranger-near", true)
		w.becomes("stranger-far", true)
		w.apply(friends)
		w.becomes("stranger-near", false)
		w.becomes("stranger-far", false)
		for name := range streams {
			streams[name] = w.flows(name, streams[name])
		}
		w.remove(friends)
		w.becomes("stranger-near", true)
		w.becomes("stranger-far", true)
		w.apply(friends)
		w.becomes("stranger-near", false)
		w.becomes("stranger-far", false)
	})

	w.step("A new Pod is under policy before its first packet", func(w *world) { firstPacket(w, address) })

	w.step("A module is swapped by kubectl apply, and no packet is lost", func(w *world) { swap(w, streams) })

	w.step("wait and the statuses tell the truth when one node is late", late)

	w.step("An agent that is killed lets nothing through, and nothing is lost", func(w *world) { killed(w, address, streams) })

	w.step("An upgrade of the agents cuts nothing and opens nothing", func(w *world) {
		w.becomes("stranger-near", false)
		w.becomes("stranger-far", false)
		near, far := w.outcomes("stranger-near"), w.outcomes("stranger-far")
		w.kubectl("-n", installed.Namespace, "set", "image", installed.Agent, "agent="+installed.Next)
		if err := installed.Ready(w.Context(), w.c); err != nil {
			w.Fatal(err)
		}
		for name, was := range streams {
			now := w.flows(name, was)
			if now.Lost != was.Lost {
				w.Errorf("%s lost %d datagrams", name, now.Lost-was.Lost)
			}
			streams[name] = now
		}
		for name, was := range map[string]tally{"stranger-near": near, "stranger-far": far} {
			now := w.outcomes(name)
			w.Logf("%s: %d refused during the upgrade, %d through", name, now.Refused-was.Refused, now.Through-was.Through)
			if now.Through != was.Through || now.Refused == was.Refused {
				w.Errorf("%s: %+v before, %+v after", name, was, now)
			}
		}
		out := w.kubectl("-n", installed.Namespace, "get", "pods", "-l", "app.kubernetes.io/component=agent", "-o", "jsonpath={.items[*].spec.containers[0].image}")
		if out != installed.Next+" "+installed.Next {
			w.Errorf("the agents' images are %s", out)
		}
	})

	w.step("The author of a policy that is refused is told", func(w *world) {
		refused := `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: huge}, spec: {podSelector: {matchLabels: {app: nobody}}, ingress: [` +
			strings.Repeat("{}, ", 5000) + `{}]}}`
		w.apply(refused)
		w.eventually("an Event about the policy", func() (bool, string) {
			out := w.kubectl("get", "events", "--field-selector", "involvedObject.name=huge", "-o", "jsonpath={.items[*].message}")
			return strings.Contains(out, "5000"), out
		})
		w.remove(`{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: huge}}`)
	})

	w.step("The agents' rights are enough, and no more", rights)

	w.step("Uninstalled, the nodes are as they were", func(w *world) { uninstall(w, before, streams) })
}
