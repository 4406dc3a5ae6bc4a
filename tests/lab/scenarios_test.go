package lab

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// Each folder of testdata is a scenario: a few Pods and policies, and what a
// person expects of them. Packets, the model and the person must agree on every
// probe.
func TestScenarios(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join("testdata", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(folders) < 36 {
		t.Fatalf("%d scenarios in testdata, there should be 36 at least", len(folders))
	}
	binaries := labtest.Programs(t, false)
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			matrix := packets(t, binaries, folder)
			checkExpected(t, filepath.Join(folder, "expected"), matrix)
			checkModel(t, model(t, binaries, folder), matrix)
		})
	}
}

// packets is what the lab measures.
func packets(t *testing.T, binaries lab.Paths, folder string) *lab.Matrix {
	t.Helper()
	begin := time.Now()
	l := labtest.Start(t, lab.Options{Manifests: []string{folder}, Binaries: binaries})
	up := time.Since(begin)
	matrix, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range matrix.Problems {
		t.Errorf("refused: %s", problem)
	}
	for _, unusable := range matrix.Unusable {
		t.Errorf("does not connect with no policy in force: %+v", unusable)
	}
	for _, rewritten := range matrix.Rewritten {
		t.Errorf("source address changed: %+v", rewritten)
	}
	for _, skipped := range matrix.Skipped {
		t.Logf("skipped: %+v", skipped)
	}
	connected, refused := matrix.Counts()
	t.Logf("%d connected, %d refused; up in %v, all in %v", connected, refused,
		up.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
	return matrix
}

// model is what `sluicectl verdict` says of the same manifests, with the
// external host's addresses as further senders.
func model(t *testing.T, binaries lab.Paths, folder string, more ...string) *lab.Matrix {
	t.Helper()
	objects, err := lab.Load([]string{folder})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := lab.NewPlan(objects)
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"verdict", "--manifests", folder, "--probe-all", "-o", "json"}, more...)
	outside := make(map[string]bool)
	for _, address := range plan.External {
		args = append(args, "--address", address.String())
		outside[address.String()] = true
	}
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), binaries.Ctl, args...)
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("sluicectl %v: %v\n%s", args, err, stderr.String())
	}
	matrix := &lab.Matrix{}
	if err := json.Unmarshal(stdout.Bytes(), matrix); err != nil {
		t.Fatalf("sluicectl %v: %v\n%.500s", args, err, stdout.String())
	}
	for i := range matrix.Probes {
		if probe := &matrix.Probes[i]; outside[probe.From] {
			probe.From = lab.External
		}
	}
	return matrix
}

// key names a probe.
type key struct {
	from, to, address, protocol string
	port                        uint16
}

func keyOf(p lab.Probe) key { return key{p.From, p.To, p.Address, p.Protocol, p.Port} }

// checkModel compares the model with the packets on every probe from a Pod or
// the external host to a Pod; the model knows no other ends.
func checkModel(t *testing.T, model, packets *lab.Matrix) {
	t.Helper()
	said := make(map[key]lab.Probe)
	pods := make(map[string]bool)
	for _, probe := range model.Probes {
		said[keyOf(probe)] = probe
		pods[probe.To] = true
	}
	compared := 0
	for _, probe := range packets.Probes {
		if !pods[probe.To] || !pods[probe.From] && probe.From != lab.External && !isPod(probe.From) {
			continue
		}
		wanted, known := said[keyOf(probe)]
		switch {
		case !known:
			t.Errorf("the model says nothing of %s", show(probe))
		case verdictOf(wanted) != verdictOf(probe):
			t.Errorf("%s: packets say %s, the model says %s", show(probe), verdictOf(probe), verdictOf(wanted))
		}
		for _, who := range probe.Answers {
			// The model knows those by their addresses that are no Pods of the network.
			if isPod(who) && !slices.Contains(wanted.Answers, who) && !hasAddress(wanted.Answers) {
				t.Errorf("%s: answered by %s, the model says that %v may", show(probe), who, wanted.Answers)
			}
		}
		compared++
		delete(said, keyOf(probe))
	}
	if compared == 0 {
		t.Error("not one probe was compared with the model")
	}
	for _, skipped := range packets.Skipped {
		for left := range said {
			if left.to == skipped.To && left.protocol == skipped.Protocol && left.port == skipped.Port {
				delete(said, left)
			}
		}
	}
	for left := range said {
		t.Errorf("the model speaks of %+v, which was not probed", left)
	}
	t.Logf("packets and model compared on %d probes", compared)
}

// isPod tells a Pod from "host", "host:NODE", "external" and "svc:...".
func isPod(name string) bool {
	return strings.ContainsRune(name, '/') && !strings.HasPrefix(name, "svc:")
}

// hasAddress tells whether one of those who may answer is known by its address alone.
func hasAddress(answers []string) bool {
	return slices.ContainsFunc(answers, func(who string) bool { return !isPod(who) })
}

// The scenarios are also examples to read: each says in its first line what it
// shows.
func TestScenariosSayWhatTheyShow(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*", "policies.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios (%v)", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := bytes.Cut(content, []byte("\n"))
		if !bytes.HasPrefix(first, []byte("# ")) || len(first) < 20 {
			t.Errorf("%s does not begin with a comment that says what it shows", file)
		}
	}
}

// Without Sluice every scenario connects everywhere: what the lab reports as
// refused is Sluice's doing.
func TestScenariosConnectWithoutSluice(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join("testdata", "*"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("no scenarios (%v)", err)
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			l := labtest.Start(t, lab.Options{Manifests: []string{folder}, PolicyFree: true})
			matrix, err := l.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, unusable := range matrix.Unusable {
				t.Errorf("does not connect: %+v", unusable)
			}
			for _, rewritten := range matrix.Rewritten {
				t.Errorf("source address changed: %+v", rewritten)
			}
		})
	}
}
