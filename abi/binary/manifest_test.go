package binary

import (
	"strings"
	"testing"
)

const goodManifest = `{
  "name": "networkpolicy", "version": "1.0.0-rc.1+a", "abi": 1,
  "resources": ["networkpolicies.networking.k8s.io", "pods"],
  "tiers": ["admin", "network", "baseline"], "actions": ["allow", "deny", "reject", "pass"],
  "limits": {"memoryMiB": 128, "batchMillis": 500, "snapshotMillis": 1000, "rules": 5, "sets": 6, "addresses": 7},
  "configSchema": {"type": "object"}
}`

func TestParseManifest(t *testing.T) {
	m, err := ParseManifest([]byte(goodManifest))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "networkpolicy" || m.ABI != 1 || len(m.Resources) != 2 || len(m.Tiers) != 3 || len(m.Actions) != 4 || m.Limits.MemoryMiB != 128 || m.ConfigJSON == nil {
		t.Errorf("%+v", m)
	}
	if _, err := ParseManifest([]byte(`{"name":"a","version":"1","abi":1,"resources":[],"tiers":[],"actions":[]}`)); err != nil {
		t.Errorf("the least manifest: %v", err)
	}
}

func TestParseManifestRefuses(t *testing.T) {
	for _, c := range []struct{ replace, by, want string }{
		{`"networkpolicy"`, `""`, `manifest: name: "" must be`},
		{`"networkpolicy"`, `"Net"`, `manifest: name: "Net" must be`},
		{`"networkpolicy"`, `7`, `manifest: name: is a JSON number, must be of type string`},
		{`"1.0.0-rc.1+a"`, `"1 0"`, `manifest: version: "1 0" must be`},
		{`"abi": 1`, `"abi": 2`, `manifest: abi: is 2, this host speaks 1`},
		{`"abi": 1,`, ``, `manifest: abi: is 0`},
		{`"pods"`, `"Pods"`, `manifest: resources[1]: "Pods" must be`},
		{`"pods"`, `"pods/status"`, `manifest: resources[1]`},
		{`"pods"`, `"networkpolicies.networking.k8s.io"`, `manifest: resources[1]: "networkpolicies.networking.k8s.io" is there twice`},
		{`"baseline"`, `"Baseline"`, `manifest: tiers[2]: "Baseline" is not one of ["admin" "network" "baseline"]`},
		{`"reject"`, `"drop"`, `manifest: actions[2]: "drop" is not one of`},
		{`["admin", "network", "baseline"]`, `[]`, `manifest: tiers: is empty`},
		{`"limits": {`, `"tickSeconds": -1, "limits": {`, `manifest: tickSeconds: is -1, must be between`},
		{`"limits": {`, `"tickSeconds": 86401, "limits": {`, `manifest: tickSeconds: is 86401, must be between 0 (never) and 86400`},
		{`"rules": 5`, `"rules": -5`, `manifest: limits.rules: is -5, must be between`},
		{`"memoryMiB": 128`, `"memoryMiB": 5000`, `manifest: limits.memoryMiB: is 5000`},
		{`"memoryMiB": 128`, `"memoryMiB": "128"`, `manifest: limits.memoryMiB: is a JSON string`},
		{`"rules": 5`, `"flows": 5`, `unknown field "flows"`},
		{`{"type": "object"}`, `[]`, `manifest: configSchema: must be a JSON schema`},
		{`"name"`, `name`, `invalid character`},
		{"{\n", "", `manifest: `},
		{"networkpolicy", "\xff", `not valid UTF-8`},
		{"\n}", "\n}}", `text goes on`},
		{"\n}", "\n}" + strings.Repeat(" ", MaxManifest), `at most 65536 are allowed`},
	} {
		in := strings.Replace(goodManifest, c.replace, c.by, 1)
		_, err := ParseManifest([]byte(in))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s instead of %s:\n got %v\nwant %s", c.by, c.replace, err, c.want)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(goodManifest))
	f.Add([]byte(`{"limits":null,"configSchema":true}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := ParseManifest(b); err == nil {
			if err := ValidateManifest(m); err != nil {
				t.Errorf("parsed, but %v", err)
			}
		}
	})
}
