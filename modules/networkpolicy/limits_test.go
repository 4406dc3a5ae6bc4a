package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/modules/networkpolicy/translate"
	"github.com/sluice-net/sluice/modules/networkpolicy/wasmtest"
)

// megabyte repeats an element of a list until the list is as large as an object
// of the API server can be; % in the element becomes its number.
func megabyte(before, element, after string) *abi.ObjectPut {
	var b strings.Builder
	b.WriteString(`{"spec":` + before)
	for i := 0; b.Len() < 3<<19; i++ {
		if list := !strings.HasPrefix(after, `"`); list && i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strings.ReplaceAll(element, "%", fmt.Sprintf("%04x", i&0xffff)))
	}
	b.WriteString(after + `}`)
	return &abi.ObjectPut{Resource: translate.Resource, Namespace: "shop", Name: "huge", JSON: []byte(b.String())}
}

// TestOneHugePolicyDoesNotHarmTheOthers hands objects of 1.5 MB to the module in
// Wasm, each together with a small one. Whatever becomes of the huge one, no
// emit is larger than the host takes, memory stays below the default limit, and
// the small one is in force.
func TestOneHugePolicyDoesNotHarmTheOthers(t *testing.T) {
	wasm := wasmtest.Build(t)
	for _, c := range []struct {
		what string
		huge *abi.ObjectPut
		want string // in the condition of the huge policy
	}{
		{"empty rules", megabyte(`{"ingress":[`, `{}`, `]}`), "spec.ingress[5000]: is one rule too many: the limit is 5000 in each direction; split the policy"},
		{"empty ports", megabyte(`{"ingress":[{"ports":[`, `{}`, `]}]}`), "spec.ingress[0].ports[50000]: is one too many: the limit is 50000; split the object"},
		{"peers", megabyte(`{"ingress":[{"from":[`, `{"podSelector":{"matchLabels":{"app":"x%"}}}`, `]}]}`), "sets and rules, the limit is 20000: split it into several objects"},
		{"labels", megabyte(`{"podSelector":{"matchLabels":{`, `"app%":"x"`, `}}}`), "spec.podSelector.matchLabels"},
		{"values", megabyte(`{"podSelector":{"matchExpressions":[{"key":"app","operator":"In","values":[`, `"a-long-value-of-a-label-that-is-nearly-too-long-%"`, `]}]}}`), "bytes in one set or rule, the limit is 524288: split it into several objects"},
		{"blocks", megabyte(`{"ingress":[{"from":[`, `{"ipBlock":{"cidr":"2001:db8:%::/48"}}`, `]}]}`), ""},
		{"a name", megabyte(`{"podSelector":{"matchLabels":{"`, `x%`, `":"y"}}}`), "..."},
		{"exceptions", megabyte(`{"ingress":[{"from":[{"ipBlock":{"cidr":"2001:db8::/32","except":[`, `"2001:0db8:1234:%:0000:0000::/64"`, `]}}]}]}`), "bytes in one set or rule"},
	} {
		t.Run(c.what, func(t *testing.T) {
			module := wasm.Run(t)
			batch := &abi.EventBatch{Reset: true, Events: []abi.Event{c.huge, put("shop", "small", object{})}}
			answer, requests := module.Handle(t, batch)
			if answer != abi.Commit {
				t.Fatalf("answer %d", answer)
			}
			isolated := map[string]bool{}
			message := ""
			err := abi.DecodeRequests(requests, func(r abi.Request) error {
				switch r := r.(type) {
				case *abi.PutIsolation:
					isolated[r.Name] = true
				case *abi.Report:
					if r.Object.Name == "huge" {
						message = r.Condition.Message
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if !isolated["shop/small/ingress"] || isolated["shop/huge/ingress"] != (c.want == "") {
				t.Errorf("in force: %v", isolated)
			}
			if !strings.Contains(message, c.want) || (message == "") != (c.want == "") {
				t.Errorf("condition %q, want %q", message, c.want)
			}
			if module.LargestEmit > abi.MaxEmit {
				t.Errorf("one emit of %d bytes", module.LargestEmit)
			}
			if mib := module.Memory() >> 20; mib > 64 {
				t.Errorf("memory: %d MiB", mib)
			}
			t.Logf("%d MiB, largest emit %d, condition %q", module.Memory()>>20, module.LargestEmit, message)
		})
	}
}
