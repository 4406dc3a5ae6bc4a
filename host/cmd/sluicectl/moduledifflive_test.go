package main

import (
	"context"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/host/compare"
	"github.com/sluice-net/sluice/host/observe"
)

// TestModuleDiffLive: exit codes tell what the agent's comparison found.
func TestModuleDiffLive(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "admin.sock")
	server := observe.NewServer(observe.ServerOptions{
		Socket: socket, Logger: slog.New(slog.DiscardHandler), Metrics: observe.NewRegistry(),
		Health: func(context.Context) error { return nil },
	})
	server.Handle("/v1/modules/diff", func(_ context.Context, q url.Values) (any, error) {
		switch q.Get("module") {
		case "same":
			return agent.ShadowStatus{Report: compare.Report{Changes: []compare.ReportChange{}}}, nil
		case "strict":
			return agent.ShadowStatus{Report: compare.Report{NewDenies: 7, Left: 1}, Connections: 5, WouldCut: 2, CutExamples: []string{"shop/a to shop/b, TCP/80"}}, nil
		}
		return nil, observe.NotFound("module "+q.Get("module"), "it does not run in mode Shadow", "look at the status")
	})
	ctx, cancel := context.WithCancel(t.Context())
	serve, err := server.Listen(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = serve(ctx)
	}()
	defer func() { cancel(); <-ended }()
	for module, want := range map[string]int{"same": 0, "strict": 1, "none": 2} {
		out, err := sluicectl(t, "module", "diff", module, "--live", "--socket", socket)
		if exitCode(err) != want {
			t.Errorf("%s: exit code %d, %v", module, exitCode(err), err)
		}
		for _, said := range []string{"7 pairs newly denied", "2 of 5 open connections would be cut", "  shop/a to shop/b, TCP/80"} {
			if module == "strict" && !strings.Contains(out, said) {
				t.Errorf("it prints %q, not %q", out, said)
			}
		}
	}
}
