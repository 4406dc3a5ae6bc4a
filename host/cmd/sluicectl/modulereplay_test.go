package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/modules/embedded"
)

// inForce commits at once: there is no switch.
type inForce struct{}

func (inForce) Commit(_ context.Context, layer *policy.Layer, txn *policy.Txn) error {
	layer.Commit(txn)
	return nil
}

func TestModuleReplay(t *testing.T) {
	wasm, err := embedded.Module("networkpolicy")
	if err != nil {
		t.Fatal(err)
	}
	s, err := plugin.New(plugin.Options{Committer: inForce{}, SandboxPath: sandboxPath(t), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Add(plugin.Spec{Name: "networkpolicy", Wasm: wasm, Grant: everything()}); err != nil {
		t.Fatal(err)
	}
	s.Synced()
	for _, name := range []string{"a", "b"} {
		s.Deliver([]abi.Event{&abi.ObjectPut{
			Resource: "networkpolicies.networking.k8s.io", Namespace: "shop", Name: name, UID: name, Generation: 1,
			JSON: []byte(`{"metadata":{"name":"` + name + `","namespace":"shop"},"spec":{"podSelector":{},"ingress":[{}]}}`),
		}})
		if err := s.Settled(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.Recording("networkpolicy")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "networkpolicy.recording")
	if err := r.Save(file); err != nil {
		t.Fatal(err)
	}

	var same Replay
	if err := json.Unmarshal([]byte(must(t, "module", "replay", file, "--sandbox", sandboxPath(t), "-o", "json")), &same); err != nil {
		t.Fatal(err)
	}
	if !same.Exact || same.Batches != len(r.Batches) || same.Calls < 2 {
		t.Errorf("%+v of %d batches", same, len(r.Batches))
	}
	out, err := sluicectl(t, "module", "replay", file, "--module", writeModule(t, "steady"), "--sandbox", sandboxPath(t), "-o", "json")
	var other Replay
	if json.Unmarshal([]byte(out), &other) != nil || exitCode(err) != 1 || other.Exact || len(other.Lines) < 3 {
		t.Errorf("another module: %v, %+v", err, other)
	}
	if _, err := sluicectl(t, "module", "replay", "/nowhere"); exitCode(err) != 2 {
		t.Errorf("a recording that is not there: %v", err)
	}
}
