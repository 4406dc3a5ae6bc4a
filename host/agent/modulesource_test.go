package agent

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/artifact"
	"github.com/sluice-net/sluice/tests/modules"
)

// TestModuleFromOCI takes a module from configuration file to bytes, and again
// when what it came from is gone.
func TestModuleFromOCI(t *testing.T) {
	dir := t.TempDir()
	wasm, err := modules.Wasm("steady")
	if err != nil {
		t.Fatal(err)
	}
	ref, err := artifact.ParseRef("oci-layout:" + dir + "/layout:1")
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := artifact.Push(context.Background(), wasm, ref, artifact.Access{})
	if err != nil {
		t.Fatal(err)
	}
	private, public, err := artifact.NewKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := artifact.ParsePrivateKey(private, func() ([]byte, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := artifact.Sign(context.Background(), pushed.Ref, key, artifact.Access{}); err != nil {
		t.Fatal(err)
	}
	config := writeConfig(t, "modules:\n- name: steady\n  source:\n    oci: "+pushed.Ref.String()+
		"\n    cacheDir: "+dir+"/cache\n    publicKey: |\n      "+strings.ReplaceAll(strings.TrimSpace(string(public)), "\n", "\n      ")+"\n")
	c, err := LoadConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"the layout is there", "the layout is gone"} {
		specs, err := ModuleSpecs(c.Modules, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := specs[0].Fetch(context.Background())
		if err != nil || !slices.Equal(got, wasm) {
			t.Errorf("%s: %d bytes, %v", when, len(got), err)
		}
		if watched := Watched(context.Background(), specs); !slices.Equal(watched, modules.Manifest().Resources) {
			t.Errorf("%s: the agent watches %v", when, watched)
		}
		if err := os.RemoveAll(dir + "/layout"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWatchedWithoutTheModule: a module that cannot be had is given what its
// grant names, once it comes.
func TestWatchedWithoutTheModule(t *testing.T) {
	c := ModuleConfig{Name: "away", Source: ModuleSource{OCI: "oci-layout:" + t.TempDir() + "@sha256:" + strings.Repeat("0", 64)}}
	c.Grant = &GrantConfig{Resources: []string{"*", "configmaps"}}
	specs, err := ModuleSpecs([]ModuleConfig{c}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if watched := Watched(context.Background(), specs); !slices.Equal(watched, []string{"configmaps"}) {
		t.Errorf("the agent watches %v", watched)
	}
}

// TestGrantedLimits: a module whose work is large is granted more than the
// defaults.
func TestGrantedLimits(t *testing.T) {
	c, err := LoadConfig(writeConfig(t, `modules:
- name: threatlist
  source: {file: threatlist.wasm}
  grant: {tiers: [admin], actions: [deny], limits: {memoryMiB: 256, snapshotMillis: 60000, addresses: 2000000}}
`))
	if err != nil {
		t.Fatal(err)
	}
	specs, err := ModuleSpecs(c.Modules, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := specs[0].Grant.Limits, (abi.Limits{MemoryMiB: 256, SnapshotMillis: 60_000, Addresses: 2_000_000}); got != want {
		t.Errorf("limits %+v, want %+v", got, want)
	}
}

func TestModuleSourceFaults(t *testing.T) {
	pin := "@sha256:" + strings.Repeat("0", 64)
	for source, fault := range map[string]string{
		"{}": "one of builtin, file and oci",
		"{file: a.wasm, oci: r.example/web" + pin + "}": "one of builtin, file and oci",
		"{oci: r.example/web:1}":                        "not pinned",
		"{oci: ./web.wasm}":                             "is a file",
		"{oci: web}":                                    "no HOST/REPOSITORY",
		"{file: a.wasm, publicKey: x}":                  "go with oci only",
		"{oci: r.example/web" + pin + ", publicKey: x, publicKeyFile: y}": "keep one of them",
		"{oci: r.example/web" + pin + ", key: x}":                         "unknown field",
	} {
		_, err := LoadConfig(writeConfig(t, "modules:\n- name: web\n  source: "+source+"\n"))
		if err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: %v, want %q", source, err, fault)
		}
	}
	if _, err := LoadConfig(writeConfig(t, "modules:\n- name: web\n  source: {oci: r.example/web"+pin+"}\n")); err != nil {
		t.Error(err)
	}
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(path, []byte("manifests: /nowhere\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
