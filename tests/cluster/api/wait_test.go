package api

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/host/inforce"
	"github.com/sluice-net/sluice/tests/cluster/apitest"
)

// wait runs `sluicectl wait`.
func wait(t *testing.T, kubeconfig string, args ...string) (r inforce.Result, code int, said string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), program(t, "sluicectl"), append([]string{"wait", "--kubeconfig", kubeconfig, "-o", "json"}, args...)...)
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if len(out) > 0 {
		if err := json.Unmarshal(out, &r); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return r, code, stderr.String()
}

// sluicectl wait tells the truth about nodes that are there, late, and without an agent.
func TestWait(t *testing.T) {
	api := apitest.Start(t)
	w := newWriter(t, api.Admin())
	w.apply(namespace, "shop")
	w.applyCRDs()
	one, two := newNode(t, api, w, "one", nil), newNode(t, api, w, "two", nil)
	for _, n := range []*node{one, two} {
		n.start()
		n.await("readiness", func(s agent.Status) bool { return s.Held == "" })
	}
	w.apply(pod, "shop", "a", "a", "one")
	w.apply(policy, "shop", "p")
	if r, code, said := wait(t, api.Admin(), "networkpolicy/p", "-n", "shop"); code != 0 || len(r.Nodes) != 1 || r.Nodes[0].Name != "one" || r.Nodes[0].State != inforce.InForce {
		t.Errorf("one node: code %d, %+v, %s", code, r, said)
	}
	w.apply(pod, "shop", "b", "b", "two")
	if err := two.agent.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.apply(strings.Replace(policy, "80", "81", 1), "shop", "p")
	r, code, said := wait(t, api.Admin(), "netpol/p", "-n", "shop", "--timeout", "3s")
	if code != 3 || len(r.Missing()) != 1 || r.Missing()[0].Name != "two" || r.Missing()[0].State != inforce.Behind || !strings.Contains(said, "not in force on 1 of 2 nodes") {
		t.Errorf("one of two is late: code %d, %+v, %s", code, r, said)
	}
	if err := two.agent.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if r, code, said := wait(t, api.Admin(), "networkpolicy/p", "-n", "shop"); code != 0 || len(r.Nodes) != 2 {
		t.Errorf("both: code %d, %+v, %s", code, r, said)
	}
	w.apply(policy, "shop", "end")
	if _, code, said := wait(t, api.Admin(), "networkpolicy/end", "-n", "shop", "--for=delete", "--timeout", "1s"); code != 1 || !strings.Contains(said, "still there") {
		t.Errorf("a policy that is there: code %d, %s", code, said)
	}
	if err := two.agent.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.delete(policy, "shop", "end")
	r, code, said = wait(t, api.Admin(), "networkpolicy/end", "-n", "shop", "--for=delete", "--timeout", "3s")
	if code != 3 || len(r.Nodes) != 2 || len(r.Missing()) != 1 || r.Missing()[0].Name != "two" || !strings.Contains(said, "not gone from 1 of 2 nodes") {
		t.Errorf("one of two is late with a deletion: code %d, %+v, %s", code, r, said)
	}
	if err := two.agent.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if r, code, said := wait(t, api.Admin(), "networkpolicy/end", "-n", "shop", "--for=delete", "--timeout", "2m"); code != 0 || len(r.Nodes) != 2 || !r.Deleted {
		t.Errorf("a deletion: code %d, %+v, %s", code, r, said)
	}
	w.apply(pod, "shop", "c", "c", "three")
	if r, code, _ := wait(t, api.Admin(), "networkpolicy/p", "-n", "shop", "--timeout", "1s"); code != 3 || r.Missing()[0].State != inforce.Silent {
		t.Errorf("a node without an agent: code %d, %+v", code, r)
	}
	if _, code, said := wait(t, api.Admin(), "networkpolicy/none", "-n", "shop"); code != 1 || !strings.Contains(said, "not found") {
		t.Errorf("a policy that is not there: code %d, %s", code, said)
	}
}
