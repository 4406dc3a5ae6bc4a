package lab

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// Each module has scenarios of its own, as a module of anybody's has: what its author
// expects is what `sluicectl module test` finds, and what packets do.
func TestModuleScenarios(t *testing.T) {
	binaries := labtest.Programs(t, false)
	folders, err := filepath.Glob(filepath.Join("..", "..", "modules", "*", "scenarios", "*"))
	if err != nil || len(folders) < 4 {
		t.Fatalf("scenarios of modules: %v (%v)", folders, err)
	}
	for _, folder := range folders {
		name := filepath.Base(filepath.Dir(filepath.Dir(folder)))
		t.Run(name+"/"+filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			module := filepath.Join(labtest.Bin(t), "modules", name+".wasm")
			if _, err := os.Stat(module); err != nil {
				t.Skipf("%v: see what `make modules` says", err)
			}
			test := exec.CommandContext(t.Context(), binaries.Ctl, "module", "test", module, "--scenarios", filepath.Dir(folder))
			if out, err := test.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			var settings lab.ModuleSettings
			text, err := os.ReadFile(filepath.Join(folder, "config.json"))
			if err == nil {
				err = json.Unmarshal(text, &settings.Config)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			l := labtest.Start(t, lab.Options{
				Manifests: []string{filepath.Join(folder, "objects.yaml")}, Modules: []string{module},
				ModuleSettings: map[string]lab.ModuleSettings{name: settings},
			})
			// Labels are policy for some, so there is no moment without it to compare with.
			err = l.ApplyPolicies()
			if err == nil {
				err = l.WaitRealised(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			matrix, err := l.Measure(t.Context(), &lab.Baseline{Specs: l.Probes()})
			if err != nil {
				t.Fatal(err)
			}
			if connected, refused := matrix.Counts(); connected == 0 || refused == 0 {
				t.Errorf("%d connections, %d refusals: nothing is compared", connected, refused)
			}
			checkExpected(t, filepath.Join(folder, "expected"), matrix)
		})
	}
}
