// Package moduletest runs a policy module natively under "go test", with a host
// that is a few maps.
//
//	func TestMyModule(t *testing.T) {
//		h := moduletest.New(t, func() sluice.Module { return &module{} })
//		h.Put("networkpolicies.networking.k8s.io", policyJSON)
//		if r, ok := h.Rule("shop/web"); !ok || r.Action != abi.Allow { ... }
//	}
//
// The host encodes every event and decodes every request with the codec of
// package abi, applies what the module emits as one transaction, and refuses what
// the ABI refuses. After each batch that was committed it hands the whole state to
// fresh instances of the module, in several orders, and fails the test unless they
// end with the same sets, rules and isolations: "a batch is a pure function of
// state" is tested without a word from the author.
//
// What it does not do is judge packets: it checks that rules name existing sets of
// the right kind, not that they mean what was meant.
package moduletest
