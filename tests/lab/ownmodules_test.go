package lab

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// What the modules in C, Rust and AssemblyScript say, on packets between the
// Pods a and b (node east), c and d (node west) of the namespace shop. A Pod's
// talk with itself never leaves it.
var ownModules = map[string]struct {
	objects string // that come while the lab runs
	refused func(from, to string) bool
}{
	// A Pod that carries the label reaches nobody and is reached by nobody.
	"quarantine": {
		refused: func(from, to string) bool { return from == "shop/a" || to == "shop/a" },
	},
	// The world outside of the lab is listed.
	"threatlist": {
		objects: `
apiVersion: policy.sluice.dev/v1alpha1
kind: ThreatList
metadata: {name: everything-outside}
spec: {cidrs: [EXTERNAL]}
`,
		refused: func(from, to string) bool { return to == lab.External || from == lab.External },
	},
	// One window is open all day, every day, and the other never.
	"timewindow": {
		objects: `
apiVersion: policy.sluice.dev/v1alpha1
kind: TimeWindow
metadata: {name: always, namespace: shop}
spec: {podLabels: {name: b}, direction: Egress, action: Deny, windows: [{from: "00:00", to: "24:00"}]}
---
apiVersion: policy.sluice.dev/v1alpha1
kind: TimeWindow
metadata: {name: never, namespace: shop}
spec: {podLabels: {name: c}, direction: Egress, action: Deny, windows: [{days: [], from: "00:00", to: "24:00"}]}
`,
		refused: func(from, _ string) bool { return from == "shop/b" },
	},
}

func TestOwnModulesOnPackets(t *testing.T) {
	binaries := labtest.Programs(t, false)
	for name, c := range ownModules {
		t.Run(name, func(t *testing.T) {
			module := filepath.Join(filepath.Dir(binaries.Agent), "modules", name+".wasm")
			if found, _ := filepath.Glob(module); found == nil {
				t.Skipf("%s was not built: see what `make modules` says", module)
			}
			pods := strings.Replace(labelled(twoNodes), "labels: {name: a}", `labels: {name: a, policy.sluice.dev/quarantine: "true"}`, 1)
			l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "pods.yaml", pods)}, Modules: []string{module}})
			var outside []string
			for _, a := range l.Plan().External {
				outside = append(outside, `"`+a.String()+`"`)
			}
			if c.objects != "" {
				applied(t, l, "objects.yaml", strings.Replace(c.objects, "EXTERNAL", strings.Join(outside, ", "), 1))
			}
			specs := l.Probes()
			outcomes, err := l.ProbeAll(t.Context(), specs)
			if err != nil {
				t.Fatal(err)
			}
			connected, refused := 0, 0
			for i, p := range specs {
				if strings.HasPrefix(p.From, lab.Host) || strings.HasPrefix(p.To, lab.Host) {
					continue // a Pod's own node always reaches it
				}
				if outcomes[i].Connected {
					connected++
				} else {
					refused++
				}
				if want := p.From != p.To && c.refused(p.From, p.To); outcomes[i].Connected == want {
					t.Errorf("%s: connects: %v", p, outcomes[i].Connected)
				}
			}
			if connected == 0 || refused == 0 {
				t.Errorf("%d connections, %d refusals: nothing is compared", connected, refused)
			}
		})
	}
}
