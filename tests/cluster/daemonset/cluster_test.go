package daemonset

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tests/cluster/images"
	"github.com/sluice-net/sluice/tests/cluster/installed"
	"github.com/sluice-net/sluice/tests/cluster/rig"
)

// world is the cluster of one test.
type world struct {
	testing.TB
	c *rig.Cluster
}

// patience bounds each wait for something that the cluster does by itself.
const patience = 90 * time.Second

// begin brings a cluster up that has Sluice's images, and not yet Sluice.
func begin(t testing.TB) *world {
	t.Helper()
	c, err := installed.Bare(t.Context(), 2, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			ctx := context.WithoutCancel(t.Context()) // it is over for the test, not for its cluster
			if err := installed.Explain(ctx, c, t.Output()); err != nil {
				t.Log(err)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{t, c}
}

// step runs a part of the test, and ends the test if it fails.
func (w *world) step(name string, f func(*world)) {
	w.Helper()
	t, is := w.TB.(*testing.T)
	if !is {
		w.Fatalf("%s: a benchmark has no steps", name)
	}
	if !t.Run(name, func(t *testing.T) { f(&world{t, w.c}) }) {
		w.FailNow()
	}
}

func (w *world) kubectl(args ...string) string {
	w.Helper()
	out, err := w.c.Kubectl(w.Context(), "", args...)
	if err != nil {
		w.Fatal(err)
	}
	return strings.TrimSpace(out)
}

func (w *world) apply(manifest string) {
	w.Helper()
	if _, err := w.c.Kubectl(w.Context(), manifest, "apply", "-f", "-"); err != nil {
		w.Fatal(err)
	}
}

func (w *world) remove(manifest string) {
	w.Helper()
	if _, err := w.c.Kubectl(w.Context(), manifest, "delete", "-f", "-", "--wait=false"); err != nil {
		w.Fatal(err)
	}
}

// pod is a Pod with one container, of the image probe unless init says otherwise.
type pod struct {
	name, node, app string
	args            []string // of probe
	init            []string // arguments of probe that an init container runs
}

// manifest of a Pod. It tolerates everything: some come before Sluice does.
func (p pod) manifest() string {
	quoted := func(args []string) string {
		text, _ := json.Marshal(args) // strings can always be encoded
		return string(text)
	}
	init := ""
	if len(p.init) > 0 {
		init = fmt.Sprintf("\n  initContainers: [{name: first, image: %q, imagePullPolicy: Never, args: %s}]", images.Probe, quoted(p.init))
	}
	return fmt.Sprintf(`---
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: %s}}
spec:
  nodeName: %s
  terminationGracePeriodSeconds: 0
  tolerations: [{operator: Exists}]%s
  containers: [{name: probe, image: %q, imagePullPolicy: Never, args: %s}]
`, p.name, p.app, p.node, init, images.Probe, quoted(p.args))
}

// start makes Pods and waits until they run.
func (w *world) start(pods ...pod) {
	w.Helper()
	var text strings.Builder
	names := []string{"wait", "--for=condition=Ready", "--timeout=90s"}
	for _, p := range pods {
		text.WriteString(p.manifest())
		names = append(names, "pod/"+p.name)
	}
	w.apply(text.String())
	w.kubectl(names...)
}

func (w *world) address(pod string) string {
	w.Helper()
	return w.kubectl("get", "pod", pod, "-o", "jsonpath={.status.podIP}")
}

// last reads the last line of what a container wrote that has a key.
func (w *world) last(pod, container, key string, into any) {
	w.Helper()
	deadline := time.Now().Add(patience)
	for {
		out, err := w.c.Kubectl(w.Context(), "", "logs", pod, "-c", container, "--tail=20")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		for i := len(lines) - 1; i >= 0 && err == nil; i-- {
			if strings.Contains(lines[i], `"`+key+`"`) {
				if err := json.Unmarshal([]byte(lines[i]), into); err != nil {
					w.Fatalf("%s says %q: %v", pod, lines[i], err)
				}
				return
			}
		}
		if time.Now().After(deadline) {
			w.Fatalf("%s has written nothing about %q: %q, %v", pod, key, out, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// eventually waits until something holds.
func (w *world) eventually(what string, holds func() (bool, string)) {
	w.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, have := holds()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("%s: it has not come after %v: %s", what, patience, have)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
