package lab

import (
	"os"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// Who examines Pods that were cut off, and the Pods of twoNodes.
const examiners = `
---
apiVersion: v1
kind: Pod
metadata: {name: examiner, namespace: forensics}
spec:
  nodeName: west
  containers: [{name: c, image: none, ports: [{containerPort: 80}]}]
`

// A label cuts a Pod off while it talks: within a second nothing of a connection
// that stands comes through any more, in either direction; who examines the Pod
// does not notice. When the label is taken away, all goes on.
func TestQuarantineOfALivePod(t *testing.T) {
	module := labtest.Module(t, "quarantine")
	if _, err := os.Stat(module); err != nil {
		t.Skipf("%v: see what `make modules` says", err)
	}
	l := labtest.Start(t, lab.Options{
		Manifests:      []string{labtest.File(t, "pods.yaml", labelled(twoNodes)+examiners)},
		Modules:        []string{module, lab.BuiltinModule},
		ModuleSettings: map[string]lab.ModuleSettings{"quarantine": {Config: map[string]any{"forensics": []string{"forensics"}}}},
	})
	if err := l.WaitRealised(t.Context()); err != nil {
		t.Fatal(err)
	}
	streams := map[string]*lab.Stream{}
	for name, spec := range map[string]lab.StreamSpec{
		"to the Pod, on its node":      {From: "shop/b", To: "shop/a"},
		"from the Pod, to another":     {From: "shop/a", To: "shop/c"},
		"of others":                    {From: "shop/b", To: "shop/c"},
		"from an examiner, to the Pod": {From: "forensics/examiner", To: "shop/a"},
		"from the Pod, to an examiner": {From: "shop/a", To: "forensics/examiner"},
	} {
		spec.Rate = 200
		s, err := l.TCPStream(spec)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Cleanup(func() { s.Stop() })
		streams[name] = s
	}
	cut := []string{"to the Pod, on its node", "from the Pod, to another"}
	flowing := func(when string, names ...string) {
		t.Helper()
		for _, name := range names {
			if err := streams[name].WaitFlowing(t.Context(), streams[name].Report().Received+50); err != nil {
				t.Errorf("%s: the connection %s: %v", when, name, err)
			}
		}
	}
	others := []string{"of others", "from an examiner, to the Pod", "from the Pod, to an examiner"}
	flowing("before", append(cut, others...)...)

	relabel := func(labels map[string]string) {
		t.Helper()
		if err := l.LabelPod("shop/a", labels); err != nil {
			t.Fatal(err)
		}
		if err := l.WaitRealised(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	relabel(map[string]string{"name": "a", "policy.sluice.dev/quarantine": "true"})
	for _, name := range cut {
		silent(t, name, streams[name])
	}
	flowing("in quarantine", others...)

	relabel(map[string]string{"name": "a"})
	flowing("afterwards", append(cut, others...)...)
	for name, s := range streams {
		report := s.Stop()
		t.Logf("%s: %v", name, report)
		if report.Err != nil {
			t.Errorf("%s: %v", name, report)
		}
	}
	for _, name := range others {
		if report := streams[name].Report(); report.Lost != 0 {
			t.Errorf("%s: %v", name, report)
		}
	}
}
