package agent

import (
	"os"
	"path/filepath"
	"testing"
)

// Who installs the CNI configuration, and whether Pods that run are adopted,
// follows from where objects come from unless the file says otherwise.
func TestDefaultsOfInstallingAndAdopting(t *testing.T) {
	for text, want := range map[string]struct{ install, adopt bool }{
		"manifests: /x":                                          {false, true},
		"manifests: /x\ncni: {install: true}":                    {true, true},
		"manifests: /x\nadoptExistingPods: false":                {false, false},
		"manifests: /x\ncni: {install: false, file: a.conflist}": {false, true},
	} {
		file := filepath.Join(t.TempDir(), "agent.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadConfig(file)
		if err != nil {
			t.Fatal(err)
		}
		if *c.CNI.Install != want.install || *c.AdoptExistingPods != want.adopt || c.CNI.ConfDir != "/etc/cni/net.d" || c.CNI.BinDir != "/opt/cni/bin" {
			t.Errorf("%q: install %v, adopt %v, %+v; want %+v", text, *c.CNI.Install, *c.AdoptExistingPods, c.CNI, want)
		}
	}
}
