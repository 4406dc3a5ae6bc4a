package plugin

import (
	"context"
	"errors"
	"testing"
)

// TestFetchModuleTriesAgain: a registry that is away for a while delays a module
// and loses nothing.
func TestFetchModuleTriesAgain(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := make(chan reading)
	calls := 0
	go fetchModule(ctx, func(context.Context) ([]byte, error) {
		if calls++; calls == 1 {
			return nil, errors.New("no route to host")
		}
		return []byte("module"), nil
	}, out)
	if r := <-out; r.err == nil {
		t.Error("the first attempt is not reported")
	}
	if r := <-out; r.err != nil || string(r.wasm) != "module" {
		t.Errorf("the second attempt: %q, %v", r.wasm, r.err)
	}
}
