package plugin

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
)

func TestCheckConfig(t *testing.T) {
	const schema = `{
		"type": "object", "additionalProperties": false, "required": ["namespace"],
		"properties": {"namespace": {"type": "string", "minLength": 1}, "ports": {"type": "array", "items": {"$ref": "#/$defs/port"}}},
		"$defs": {"port": {"type": "integer", "minimum": 1, "maximum": 65535}}
	}`
	for _, test := range []struct{ schema, config, fault string }{
		{schema, `{"namespace": "forensics", "ports": [80]}`, ""},
		{schema, `{"namespace": "forensics", "ports": ["http"]}`, "ports.0: got string, want integer"},
		{schema, `{"namespace": "", "ports": [0]}`, "ports.0: minimum: got 0, want 1"},
		{schema, `{"namespace": "a", "port": 80}`, "additional properties 'port' not allowed"},
		{schema, ``, "missing property 'namespace'"},
		{schema, `[]`, "want object"},
		{`true`, `{"a": 1}`, ""},
		{`false`, `{}`, "not what the module's schema allows"},
		{``, `{"anything": [1]}`, ""},
		{`{"type": "objekt"}`, `{}`, "manifest: configSchema"},
		{`{"properties": {"a": {"pattern": "("}}}`, `{}`, "manifest: configSchema"},
	} {
		m := &abi.Manifest{}
		if test.schema != "" {
			m.ConfigJSON = parseJSON(t, test.schema)
		}
		err := CheckConfig(m, json.RawMessage(test.config))
		if (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%s: %v, want %q", test.config, err, test.fault)
		}
	}
}

// TestSchemaReadsNothing: a schema cannot have the agent read files or wait for
// servers.
func TestSchemaReadsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "true.json")
	if err := os.WriteFile(path, []byte("true"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"file://" + path, "http://127.0.0.1:1/schema", "other.json"} {
		m := &abi.Manifest{ConfigJSON: map[string]any{"$ref": ref}}
		if err := CheckConfig(m, nil); err == nil || !strings.Contains(err.Error(), "may refer to itself only") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

// TestSchemaBomb: each level refers twice to the next, which would be checked
// 2^60 times.
func TestSchemaBomb(t *testing.T) {
	defs := map[string]any{"l60": true}
	for i := range 60 {
		next := map[string]any{"$ref": fmt.Sprintf("#/$defs/l%d", i+1)}
		defs[fmt.Sprintf("l%d", i)] = map[string]any{"allOf": []any{next, next}}
	}
	m := &abi.Manifest{ConfigJSON: map[string]any{"$defs": defs, "$ref": "#/$defs/l0"}}
	if err := CheckConfig(m, nil); err == nil || !strings.Contains(err.Error(), "121 references") {
		t.Errorf("error %v", err)
	}
}

func parseJSON(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
