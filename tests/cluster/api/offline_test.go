package api

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/tests/cluster/apitest"
)

// An agent that starts without the API server enforces what it knew, says so, and
// goes on with what the API server has once that is back.
func TestRestartWithoutAPI(t *testing.T) {
	api := apitest.Start(t)
	w := newWriter(t, api.Admin())
	w.apply(namespace, "shop")
	w.applyCRDs()
	n := newNode(t, api, w, "here", nil)
	w.apply(pod, "shop", "a", "a", "here")
	w.apply(pod, "shop", "b", "b", "here")
	w.apply(policy, "shop", "stays")
	w.apply(policy, "shop", "goes")
	rules := func(want int) func(agent.Status) bool {
		return func(s agent.Status) bool { return s.Held == "" && len(s.Modules) == 1 && s.Modules[0].Rules == want }
	}
	n.start()
	before := n.await("two policies", func(s agent.Status) bool { return s.Held == "" && s.Modules[0].Rules > 0 && len(s.Problems) == 0 })
	n.await("the same again", rules(before.Modules[0].Rules))
	n.stop(syscall.SIGKILL)
	if err := api.StopAPI(); err != nil {
		t.Fatal(err)
	}
	n.start()
	s := n.await("the policies from disk", rules(before.Modules[0].Rules))
	if !strings.Contains(fmt.Sprint(s.Problems), "has not answered since the agent started") {
		t.Errorf("nothing says that it comes from disk: %+v", s.Problems)
	}
	if err := api.StartAPI(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.delete(policy, "shop", "goes")
	s = n.await("what the API has", func(s agent.Status) bool {
		return s.Held == "" && s.Modules[0].Rules < before.Modules[0].Rules && len(s.Problems) == 0
	})
	if s.Modules[0].Rules == 0 {
		t.Error("the policy that stays has gone")
	}

	n.stop(syscall.SIGKILL)
	if err := api.StopAPI(); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(n.state, "objects")
	text, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(kept, text, 0o600); err != nil {
		t.Fatal(err)
	}
	n.start()
	n.await("the refusal of a damaged file", func(s agent.Status) bool {
		return s.Held != "" && strings.Contains(fmt.Sprint(s.Problems), "is damaged")
	})
	if err := api.StartAPI(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.await("what the API has, after that", rules(s.Modules[0].Rules))
}
