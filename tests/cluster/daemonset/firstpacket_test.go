package daemonset

import (
	"encoding/json"
	"fmt"
	"strings"
)

// firstPacket starts Pods whose init container does nothing but try to get through
// where an existing policy forbids it (SEMANTICS 23), and others that it allows. Those
// on the server's own node get through at once. Of those elsewhere the server's node
// hears through the API: they may be let in late.
func firstPacket(w *world, server string) {
	const rounds = 5
	var pods []pod
	for i := range rounds {
		for _, node := range []string{"n1", "n2"} {
			for _, app := range []string{"late", "friend"} {
				pods = append(pods, pod{
					name: fmt.Sprintf("first-%s-%s-%d", app, node, i), node: node, app: app,
					init: []string{"dial", "-n", "40", server}, args: []string{"serve", ":80"},
				})
			}
		}
	}
	w.start(pods...)
	var near, far tally
	for _, p := range pods {
		var total tally
		w.last(p.name, "first", "through", &total)
		switch {
		case p.app == "late" && total.Through > 0:
			w.Errorf("%s: %d of its first 40 connections got through although a policy denies them", p.name, total.Through)
		case p.app == "friend" && p.node == "n1":
			near.Through += total.Through
			near.Refused += total.Refused // too slow for a busy machine, or refused
			if total.Through == 0 {
				w.Errorf("%s: not one of its first 40 connections got through although a policy allows them", p.name)
			}
		case p.app == "friend":
			far.Through += total.Through
			far.Refused += total.Refused
		}
	}
	var names strings.Builder
	for _, p := range pods {
		text, _ := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]string{"name": p.name}}) // strings
		names.WriteString("---\n" + string(text) + "\n")
	}
	w.remove(names.String())
	w.Logf("%d Pods under a policy that denies made 40 attempts each from their first moment: 0 got through", len(pods)/2)
	w.Logf("of Pods that it allows, those on the server's node got through %d of %d times, and those elsewhere %d of %d times",
		near.Through, near.Through+near.Refused, far.Through, far.Through+far.Refused)
	// How soon the other node hears of a new Pod's address is kubelet's and the API's
	// matter: to open late is no fault (SEMANTICS 23).
}
