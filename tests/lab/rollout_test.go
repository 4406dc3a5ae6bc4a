package lab

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
	"github.com/sluice-net/sluice/tests/modules"
)

// A shadow says what enforcing it would do to packets, and does nothing to them.
func TestShadowForetellsPackets(t *testing.T) {
	binaries := labtest.Programs(t, false)
	module := filepath.Join(filepath.Dir(binaries.Agent), "modules", "clusternetworkpolicy.wasm")
	manifest := labtest.File(t, "cluster.yaml", labelled(twoNodes)+"---"+clusterPolicies)
	options := lab.Options{Manifests: []string{manifest}, Modules: []string{module, lab.BuiltinModule}}
	enforced, err := labtest.Start(t, options).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	options.ModuleSettings = map[string]lab.ModuleSettings{"clusternetworkpolicy": {Mode: "Shadow"}}
	l := labtest.Start(t, options)
	shadowed, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checkModel(t, model(t, binaries, manifest, "--module", lab.BuiltinModule), shadowed)

	// What packets say: pairs that are connected now, and were not with the module
	// enforced. Every policy here is about all ports.
	cut := map[string]bool{}
	for i, p := range shadowed.Probes {
		if e := enforced.Probes[i]; e.From != p.From || e.To != p.To || e.Port != p.Port {
			t.Fatalf("the labs' probes differ: %s and %s", show(e), show(p))
		}
		switch {
		case p.Connected && !enforced.Probes[i].Connected:
			cut[p.From+" "+p.To] = true
		case !p.Connected && enforced.Probes[i].Connected:
			t.Errorf("%s: the module would allow what is denied", show(p))
		}
	}
	var foretold agent.ShadowStatus
	body, err := l.Agent("east").Get(t.Context(), "/v1/modules/diff?module=clusternetworkpolicy")
	if err == nil {
		err = json.Unmarshal(body, &foretold)
	}
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, c := range foretold.Changes {
		for _, from := range c.From.Names {
			for _, to := range c.To.Names {
				said[from+" "+to] = true
			}
		}
	}
	if len(cut) != 2 || int(foretold.NewDenies) != len(cut) || foretold.NewAllows != 0 || len(said) != len(cut) {
		t.Errorf("on packets the module cuts %v; the shadow says %s", cut, body)
	}
	for pair := range cut {
		if !said[pair] {
			t.Errorf("the shadow does not say that it would cut %s: %s", pair, body)
		}
	}

	t.Run("and which open connections it would cut", func(t *testing.T) {
		stream, err := l.TCPStream(lab.StreamSpec{From: "shop/d", To: "shop/b", Rate: 100})
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Stop()
		if err := stream.WaitFlowing(t.Context(), 20); err != nil {
			t.Fatal(err)
		}
		s := moduleStatus(t, l, "east", "clusternetworkpolicy", func(m agent.ModuleStatus) bool { return m.Shadow != nil && m.Shadow.WouldCut > 0 })
		// What is left of the probes may be among them.
		for _, text := range s.Shadow.CutExamples {
			if !strings.HasPrefix(text, "shop/d to shop/b, ") && !strings.HasPrefix(text, "shop/d to shop/a, ") {
				t.Errorf("the shadow says that it would cut %s", text)
			}
		}
		if s.Shadow.WouldCut > s.Shadow.Connections || len(s.Shadow.CutExamples) == 0 {
			t.Errorf("the shadow is %+v", s.Shadow)
		}
		diffLive(t, l, "clusternetworkpolicy", 1, " open connections would be cut")
		diffLive(t, l, "networkpolicy", 2, "mode: Shadow and insteadOf: networkpolicy")
		diffLive(t, l, "nobody", 2, "no module of this name runs on this node")
	})
}

// diffLive asks `sluicectl module diff --live` on a node.
func diffLive(t *testing.T, l *lab.Lab, module string, code int, want string) {
	t.Helper()
	ctl := exec.CommandContext(t.Context(), labtest.Programs(t, false).Ctl, "module", "diff", module, "--live", "--socket", l.Agent("east").AdminSocket())
	out, err := ctl.CombinedOutput()
	if ctl.ProcessState == nil || ctl.ProcessState.ExitCode() != code || !strings.Contains(string(out), want) {
		t.Errorf("module diff %s --live: %v, want exit code %d and %q:\n%s", module, err, code, want, out)
	}
}

// moduleStatus waits until a module of an agent is as asked.
func moduleStatus(t *testing.T, l *lab.Lab, node, module string, is func(agent.ModuleStatus) bool) agent.ModuleStatus {
	t.Helper()
	var last string
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		body, err := l.Agent(node).Get(t.Context(), "/v1/status")
		var s agent.Status
		if err == nil {
			err = json.Unmarshal(body, &s)
		}
		if err != nil {
			t.Fatal(err)
		}
		last = string(body)
		for _, m := range s.Modules {
			if m.Name == module && is(m) {
				return m
			}
		}
	}
	t.Fatalf("the status of node %s never became as wanted: %s", node, last)
	return agent.ModuleStatus{}
}

// A generation that would change more than the operator expects is kept out, and
// nothing about packets or flows changes; accepted, it takes over.
func TestRolloutKeepsOutUnderTraffic(t *testing.T) {
	module := labtest.Module(t, "networkpolicy")
	l := settled(t, lab.Options{Modules: []string{module}, ModuleSettings: map[string]lab.ModuleSettings{
		"networkpolicy": {Rollout: map[string]int{"maxNewAllows": 0, "maxNewDenies": 0}},
	}})
	before := flows(t, l, "east")
	all := streams(t, l)
	open, err := modules.Wasm("steady") // whose one rule is about no Pod here
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.ReplaceModule("networkpolicy", labtest.File(t, "open.wasm", string(open))); err != nil {
		t.Fatal(err)
	}
	var digest string
	for _, node := range []string{"east", "west"} {
		m := moduleStatus(t, l, node, "networkpolicy", func(m agent.ModuleStatus) bool { return m.Rejected != nil })
		if !strings.Contains(m.Rejected.Reason, "was not let take over: it would newly allow") || m.Generation != 1 {
			t.Errorf("node %s: %+v, generation %d", node, m.Rejected, m.Generation)
		}
		digest = m.Rejected.Digest
	}
	goOn(t, all)
	if after := flows(t, l, "east"); after != before {
		t.Errorf("flows before:\n%s\nafter:\n%s", before, after)
	}
	t.Logf("%s", ctl(t, l, "status"))
	ctl(t, l, "module", "accept", "networkpolicy", digest)
	moduleStatus(t, l, "east", "networkpolicy", func(m agent.ModuleStatus) bool { return m.Digest == digest })
	if after := flows(t, l, "east"); after == before {
		t.Error("a generation with other policy was accepted, and the flows are what they were")
	}
}

// A generation that fails after it took over is taken back without a packet lost.
func TestReturnUnderTraffic(t *testing.T) {
	module := labtest.Module(t, "networkpolicy")
	l := continuityLab(t, module)
	before := flows(t, l, "east")
	good := moduleStatus(t, l, "east", "networkpolicy", func(agent.ModuleStatus) bool { return true }).Digest
	all := streams(t, l)
	digest, err := l.ReplaceModule("networkpolicy", lateFault(t, module))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.WaitModule(t.Context(), "networkpolicy", digest); err != nil {
		t.Fatal(err)
	}
	if err := l.ApplyContent("fault.yaml", []byte(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: fault, namespace: elsewhere}
spec: {podSelector: {}}
`)); err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"east", "west"} {
		m := moduleStatus(t, l, node, "networkpolicy", func(m agent.ModuleStatus) bool { return m.Rollbacks == 1 && m.Digest == good && m.PID != 0 })
		if m.Rejected == nil || !m.Rejected.RolledBack || m.Rejected.Digest != "sha256:"+digest {
			t.Errorf("node %s: %+v", node, m.Rejected)
		}
	}
	if err := l.WaitRealised(t.Context()); err != nil {
		t.Error(err)
	}
	goOn(t, all)
	if after := flows(t, l, "east"); after != before {
		t.Errorf("flows before:\n%s\nafter:\n%s", before, after)
	}
	t.Logf("%s", ctl(t, l, "status"))
}

// lateFault builds the module of that name, with the manifest of a good one.
func lateFault(t *testing.T, good string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "latefault.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "../modules/latefault")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building latefault: %v\n%s", err, text)
	}
	bare, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	model, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	manifest, _, err := binary.CustomSection(model, "sluice.manifest")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := binary.AppendCustomSection(bare, "sluice.manifest", manifest)
	if err != nil {
		t.Fatal(err)
	}
	return labtest.File(t, "latefault.wasm", string(whole))
}

// ctl runs sluicectl against the agent of node east.
func ctl(t *testing.T, l *lab.Lab, args ...string) string {
	t.Helper()
	args = append(args, "--socket", l.Agent("east").AdminSocket())
	out, err := exec.Command(labtest.Programs(t, false).Ctl, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("sluicectl %v: %v\n%s", args, err, out)
	}
	return string(out)
}
