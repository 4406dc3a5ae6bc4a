package daemonset

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/sluice-net/sluice/tests/cluster/build"
)

// next has another version of the module networkpolicy take the place of the one in the
// agents' configuration.
const next = `
apiVersion: policy.sluice.dev/v1alpha1
kind: PolicyModule
metadata: {name: networkpolicy}
spec:
  source: {file: /var/lib/sluice/next.wasm}
`

// anotherVersion is the module with a custom section more (WebAssembly core
// specification, 5.5.3): it does the same and has another digest.
func anotherVersion(w *world) []byte {
	w.Helper()
	repository, err := build.Repository()
	if err != nil {
		w.Fatal(err)
	}
	wasm, err := os.ReadFile(filepath.Join(repository, "bin", "modules", "networkpolicy.wasm"))
	if err != nil {
		w.Fatal(err)
	}
	const name = "sluice.test"
	return append(wasm, append([]byte{0, byte(len(name) + 1), byte(len(name))}, name...)...)
}

var generation = regexp.MustCompile(`(?m)^networkpolicy +running +(\d+) `)

// generation is which generation of the module decides on a node.
func (w *world) generation(node string) string {
	w.Helper()
	m := generation.FindStringSubmatch(w.status(node))
	if m == nil {
		return "none"
	}
	return m[1]
}

// swap changes the module there and back while traffic runs that it allows, and some
// that it denies.
func swap(w *world, streams map[string]streaming) {
	wasm := anotherVersion(w)
	for _, n := range w.c.Nodes {
		if err := os.WriteFile(n.Path("/var/lib/sluice/next.wasm"), wasm, 0o644); err != nil {
			w.Fatal(err)
		}
	}
	near, far := w.outcomes("stranger-near"), w.outcomes("stranger-far")
	for i, change := range []func(){func() { w.apply(next) }, func() { w.remove(next) }} {
		before := w.generation("n1") + w.generation("n2")
		change()
		w.eventually(fmt.Sprintf("change %d", i), func() (bool, string) {
			n1, n2 := w.generation("n1"), w.generation("n2")
			return n1 != before[:1] && n2 != before[1:] && n1 != "none" && n2 != "none", w.status("n1")
		})
	}
	for _, n := range w.c.Nodes {
		if err := os.Remove(n.Path("/var/lib/sluice/next.wasm")); err != nil {
			w.Error(err)
		}
	}
	for name, was := range streams {
		now := w.flows(name, was)
		if now.Lost != was.Lost {
			w.Errorf("%s lost %d datagrams", name, now.Lost-was.Lost)
		}
		w.Logf("%s: %d numbers sent meanwhile, none lost, longest gap since its start %.1f ms", name, now.Sent-was.Sent, now.Longest)
		streams[name] = now
	}
	for name, was := range map[string]tally{"stranger-near": near, "stranger-far": far} {
		if now := w.outcomes(name); now.Through != was.Through || now.Refused == was.Refused {
			w.Errorf("%s: %+v before, %+v after", name, was, now)
		}
	}
}
