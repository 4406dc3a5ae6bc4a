package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-net/sluice/host/compare"
	"github.com/sluice-net/sluice/tests/modules"
)

// sandboxBinary is the real sandbox, built once for the tests of this package.
var sandboxBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sluicectl-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sluice-sandbox")
	build := exec.Command("go", "build", "-o", path, "github.com/sluice-net/sluice/host/cmd/sluice-sandbox")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	return path, build.Run()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := sandboxBinary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func sandboxPath(t *testing.T) string {
	t.Helper()
	path, err := sandboxBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var scenarios = filepath.Join("..", "..", "..", "tests", "lab", "testdata")

func TestModuleRun(t *testing.T) {
	var r Run
	out := must(t, "module", "run", "networkpolicy", "--manifests", filepath.Join(scenarios, "named-ports"), "--sandbox", sandboxPath(t), "-o", "json")
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Requests.Rules) != 1 || r.Requests.Rules[0].Action != "allow" || strings.Join(r.Requests.Rules[0].Ports, " ") != "TCP/http" {
		t.Errorf("rules %+v", r.Requests.Rules)
	}
	if len(r.Requests.Isolations) != 1 || len(r.Reports) != 1 || !r.Reports[0].Status || len(r.Probes) != 24 {
		t.Errorf("%d isolations, reports %+v, %d probes", len(r.Requests.Isolations), r.Reports, len(r.Probes))
	}
}

func TestModuleTest(t *testing.T) {
	some := t.TempDir() // all of them are run by the tests of the lab
	for _, name := range []string{"named-ports", "ipblock-external", "two-nodes"} {
		if err := os.CopyFS(filepath.Join(some, name), os.DirFS(filepath.Join(scenarios, name))); err != nil {
			t.Fatal(err)
		}
	}
	var results []ScenarioResult
	out := must(t, "module", "test", "networkpolicy", "--scenarios", some, "--sandbox", sandboxPath(t), "-o", "json")
	if err := json.Unmarshal([]byte(out), &results); err != nil {
		t.Fatal(err)
	}
	probes, checks := 0, 0
	for _, r := range results {
		probes += r.Probes
		if strings.HasPrefix(r.Scenario, "ABI: ") {
			checks++
		}
	}
	if len(results) != checks+3 || checks < 10 || probes < 50 {
		t.Errorf("%d scenarios and checks, %d checks, %d connections", len(results), checks, probes)
	}
	// A module that does something else fails them.
	steady := writeModule(t, "steady")
	out, err := sluicectl(t, "module", "test", steady, "--scenarios", some, "--sandbox", sandboxPath(t))
	if exitCode(err) != 1 || !strings.Contains(out, "FAILED  named-ports") {
		t.Errorf("exit code %d (%v)\n%.300s", exitCode(err), err, out)
	}
	if _, err := sluicectl(t, "module", "test", steady, "--scenarios", t.TempDir()); exitCode(err) != 2 {
		t.Errorf("without the scenarios that were named: %v", err)
	}
}

// A file alone is asked about the ABI, with made-up objects or those given, and
// that nobody said what it should mean is said.
func TestModuleTestWithoutScenarios(t *testing.T) {
	objects := filepath.Join(scenarios, "named-ports")
	for _, args := range [][]string{nil, {"--manifests", objects}} {
		var out, said bytes.Buffer
		c := command()
		c.SetOut(&out)
		c.SetErr(&said)
		c.SetArgs(append([]string{"module", "test", "networkpolicy", "--sandbox", sandboxPath(t)}, args...))
		if err := c.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%v: %v\n%s", args, err, &out)
		}
		if strings.Count(out.String(), "ok      ABI: ") < 10 || !strings.Contains(said.String(), "no scenarios were given") {
			t.Errorf("%v:\n%s%s", args, &out, &said)
		}
	}
	// Objects that the module would never hear of test nothing.
	pods := filepath.Join(t.TempDir(), "pods.yaml")
	if err := os.WriteFile(pods, []byte("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{pods, "/nowhere"} {
		if _, err := sluicectl(t, "module", "test", "networkpolicy", "--sandbox", sandboxPath(t), "--manifests", wrong); exitCode(err) != 2 {
			t.Errorf("--manifests %s: %v", wrong, err)
		}
	}
}

func TestModuleDiff(t *testing.T) {
	manifests := filepath.Join(scenarios, "named-ports")
	diff := func(args ...string) (compare.Report, int) {
		t.Helper()
		out, err := sluicectl(t, append([]string{"module", "diff", "--manifests", manifests, "--sandbox", sandboxPath(t), "-o", "json"}, args...)...)
		var r compare.Report
		if json.Unmarshal([]byte(out), &r) != nil && exitCode(err) < 2 {
			t.Fatalf("%v: %s", err, out)
		}
		return r, exitCode(err)
	}
	if r, code := diff("networkpolicy", "networkpolicy"); code != 0 || len(r.Changes) != 0 {
		t.Errorf("the same module: exit code %d, %+v", code, r)
	}
	steady := writeModule(t, "steady")
	r, code := diff("networkpolicy", steady)
	if code != 1 || r.NewAllows == 0 || r.NewDenies != 0 || len(r.Changes) == 0 {
		t.Errorf("without the policy: exit code %d, %+v", code, r)
	}
	back, _ := diff(steady, "networkpolicy")
	if back.NewDenies != r.NewAllows || back.NewAllows != 0 {
		t.Errorf("there %d pairs are newly allowed, and back %d newly denied", r.NewAllows, back.NewDenies)
	}
	for _, args := range [][]string{{"--live", "a", "b"}, {"a"}, {"--live", "a", "--manifests", "/x"}} {
		if _, err := sluicectl(t, append([]string{"module", "diff"}, args...)...); exitCode(err) != 2 {
			t.Errorf("diff %v: %v", args, err)
		}
	}
	if _, code := diff("networkpolicy", "/nowhere.wasm"); code != 2 {
		t.Errorf("a module that is not there: exit code %d", code)
	}
}

func TestModuleBench(t *testing.T) {
	var b Bench
	out := must(t, "module", "bench", "networkpolicy", "--manifests", filepath.Join(scenarios, "union"), "--rounds", "3", "--sandbox", sandboxPath(t), "-o", "json")
	if err := json.Unmarshal([]byte(out), &b); err != nil {
		t.Fatal(err)
	}
	if b.Objects == 0 || b.Requests == 0 || b.LoadMillis <= 0 || b.ChangeMillis <= 0 || b.RSSBytes < 1<<20 {
		t.Errorf("%+v", b)
	}
	if _, err := sluicectl(t, "module", "bench", writeModule(t, "trap"), "--sandbox", sandboxPath(t), "--manifests", filepath.Join(scenarios, "union")); exitCode(err) != 1 {
		t.Errorf("a module that traps: %v", err)
	}
}

// writeModule writes one of the modules of tests/modules to a file.
func writeModule(t *testing.T, name string) string {
	t.Helper()
	wasm, err := modules.Wasm(name)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name+".wasm")
	if err := os.WriteFile(path, wasm, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
