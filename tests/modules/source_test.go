package modules_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/tests/modules"
)

// TestPinnedFile: another file than the pinned one is never run, whatever it is.
func TestPinnedFile(t *testing.T) {
	first := mirrorWasm(t, "1.0.0")
	h := furnish(t, patient(), plugin.Spec{Digest: digestOf(first)}, first)
	h.Synced()
	if err := h.settle(t); err != nil {
		t.Fatal(err)
	}
	h.write(t, mirrorWasm(t, "2.0.0"))
	s := h.until(t, "the refusal", func(s plugin.Status) bool { return strings.Contains(s.LastError, "the operator has pinned") })
	if s.Generation != 1 || s.Version != "1.0.0" || s.State != plugin.Running {
		t.Errorf("status %+v", s)
	}
	h.write(t, first)
	h.until(t, "all to be well", func(s plugin.Status) bool { return s.LastError == "" })
}

// TestFetchedModule: a module whose registry does not answer at first comes as
// soon as it does, and the supervisor says what it waits for.
func TestFetchedModule(t *testing.T) {
	wasm := mirrorWasm(t, "1.0.0")
	var up atomic.Bool
	h := furnish(t, patient(), plugin.Spec{Fetch: func(context.Context) ([]byte, error) {
		if !up.Load() {
			return nil, errors.New("the registry is away")
		}
		return wasm, nil
	}}, nil)
	h.Synced()
	h.until(t, "the reason", func(s plugin.Status) bool { return strings.Contains(s.LastError, "the registry is away") })
	up.Store(true)
	h.until(t, "the module", running(1))
	if got := h.rules(); len(got) != 2 {
		t.Errorf("rules %v", got)
	}
}

// TestConfigSchema: a configuration that the module's schema does not allow is
// not handed over, and keeps nothing else from being in force.
func TestConfigSchema(t *testing.T) {
	wasm := withSchema(t, "1.0.0", `{"type": "integer", "maximum": 9}`)
	h := furnish(t, patient(), plugin.Spec{Config: json.RawMessage(`12`)}, wasm)
	h.Synced()
	h.until(t, "the refusal", func(s plugin.Status) bool { return strings.Contains(s.LastError, "maximum: got 12, want 9") })
	if err := h.Configure(module, json.RawMessage(`7`)); err != nil {
		t.Fatal(err)
	}
	h.until(t, "the module", running(1))
	if err := h.Configure(module, json.RawMessage(`10`)); err == nil || !strings.Contains(err.Error(), "want 9") {
		t.Errorf("a wrong configuration: %v", err)
	}
	// A new generation that does not understand the configuration stays out.
	h.write(t, withSchema(t, "2.0.0", `{"type": "integer", "maximum": 5}`))
	s := h.until(t, "the refusal", func(s plugin.Status) bool { return strings.Contains(s.LastError, "maximum: got 7, want 5") })
	if s.Generation != 1 || s.State != plugin.Running || len(h.rules()) != 2 {
		t.Errorf("status %+v", s)
	}
	if err := h.Configure(module, json.RawMessage(`3`)); err != nil {
		t.Fatal(err)
	}
	h.until(t, "the new generation", func(s plugin.Status) bool { return s.Version == "2.0.0" })
}

func withSchema(t *testing.T, version, schema string) []byte {
	t.Helper()
	bare, err := buildMirror()
	if err != nil {
		t.Fatal(err)
	}
	m := modules.Manifest()
	m.Version = version
	if err := json.Unmarshal([]byte(schema), &m.ConfigJSON); err != nil {
		t.Fatal(err)
	}
	wasm, err := modules.With(bare, m)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return "sha256:" + hex.EncodeToString(sum[:])
}
