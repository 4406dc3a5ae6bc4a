package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/policy"
)

// What a module is told becomes its status (plugin.Status.LastError).
func TestSemantics32TheEngineRefusesAndKeepsTheLayer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := newEngine(slog.New(slog.DiscardHandler), []string{"big"}, datapath.Limits{Flows: 100})
	ended := make(chan struct{})
	go func() { e.run(ctx); close(ended) }()
	defer func() { cancel(); <-ended }()

	layer := policy.NewLayer("big", 1, policy.Grant{Tiers: []abi.Tier{abi.Network}, Actions: []abi.Action{abi.Deny}}, policy.Limits{})
	put := func(blocks int) error {
		txn := layer.Begin(false)
		var a abi.Addresses
		for i := range blocks {
			a.Blocks = append(a.Blocks, abi.Block{CIDR: fmt.Sprintf("10.0.%d.0/24", i)})
		}
		if err := txn.Stage(&abi.PutSet{Name: "far", Spec: &a}); err != nil {
			t.Fatal(err)
		}
		return e.Commit(ctx, layer, txn)
	}
	if err := put(3); err != nil {
		t.Fatal(err)
	}
	err := put(200)
	var tooMuch *datapath.TooMuchError
	if !errors.As(err, &tooMuch) || tooMuch.Limit != 100 || tooMuch.Needs != 400 || !strings.Contains(err.Error(), `module "big"`) {
		t.Errorf("200 blocks: %v", err)
	}
	s, _ := layer.Set("far")
	if n := len(s.Spec.(*abi.Addresses).Blocks); n != 3 {
		t.Errorf("the layer holds %d blocks, want the 3 from before", n)
	}
	if err := put(40); err != nil {
		t.Errorf("40 blocks after a refusal: %v", err)
	}
}
