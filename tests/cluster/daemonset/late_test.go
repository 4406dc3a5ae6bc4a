package daemonset

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sluice-net/sluice/tests/cluster/build"
	"github.com/sluice-net/sluice/tests/cluster/node"
)

// both concerns Pods on both nodes.
const both = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: both, namespace: default}
spec: {podSelector: {matchLabels: {app: friend}}, ingress: [{}], policyTypes: [Ingress]}
`

// late stops the agent of one node, changes a policy that concerns both, and lets it go on.
func late(w *world) {
	w.apply(both)
	if out, code := w.wait("networkpolicy/both", "30s"); code != 0 {
		w.Fatalf("wait ended with %d: %s", code, out)
	}
	n2 := w.c.Nodes[1]
	w.signal(n2, "STOP")
	w.apply(strings.Replace(both, "[{}]", "[{ports: [{port: 80}]}]", 1))
	out, code := w.wait("networkpolicy/both", "5s")
	w.Logf("with n2 stopped:\n%s", out)
	if code != 3 || !strings.Contains(out, "n2") {
		w.Errorf("wait ended with %d: %s", code, out)
	}
	w.signal(n2, "CONT")
	if out, code := w.wait("networkpolicy/both", "60s"); code != 0 {
		w.Errorf("n2 goes on, and wait ended with %d: %s", code, out)
	}
	w.Log(w.kubectl("get", "nodepolicystatuses,policymodules"))
	w.remove(both)
}

// wait runs `sluicectl wait`.
func (w *world) wait(what, patience string) (out string, code int) {
	w.Helper()
	repository, err := build.Repository()
	if err != nil {
		w.Fatal(err)
	}
	command := w.c.Command(w.Context(), filepath.Join(repository, "bin", "sluicectl"), "wait", what, "-n", "default", "--timeout", patience)
	text, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return string(text), exit.ExitCode()
	}
	if err != nil {
		w.Fatal(err)
	}
	return string(text), 0
}

// signal sends a signal to the agent of a node. It goes on at the end in any case.
func (w *world) signal(n *node.Node, name string) {
	w.Helper()
	send := func(ctx context.Context, name string) error {
		return n.Command(ctx, "pkill", "-"+name, "-x", "sluice-agent").Run()
	}
	if err := send(w.Context(), name); err != nil {
		w.Fatal(err)
	}
	if name == "STOP" {
		w.Cleanup(func() { _ = send(context.Background(), "CONT") }) // it may be gone
	}
}
