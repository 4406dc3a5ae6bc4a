package abi

import (
	"math"
	"math/rand/v2"
)

// generator makes messages with every field now and then filled, now and then
// not. Lists are nil when empty, as the decoder leaves them.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 2))} }

func (g generator) text() string {
	words := []string{"", "", "a", "shop", "café", "app.kubernetes.io/name", "0", "\x00", "10.0.0.0/8"}
	return words[g.IntN(len(words))]
}

func (g generator) texts() []string {
	list := make([]string, g.IntN(4))
	for i := range list {
		list[i] = g.text()
	}
	return nilIfEmpty(list)
}

func (g generator) json() []byte {
	b := make([]byte, max(0, g.IntN(400)-100))
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return nilIfEmpty(b)
}

func nilIfEmpty[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

func (g generator) number() int64 {
	numbers := []int64{0, 1, -1, 127, 128, math.MinInt64, math.MaxInt64, g.Int64()}
	return numbers[g.IntN(len(numbers))]
}

func (g generator) event() Event {
	switch g.IntN(4) {
	case 0:
		return &Configure{JSON: g.json()}
	case 1:
		return &ObjectPut{Resource: g.text(), Namespace: g.text(), Name: g.text(), UID: g.text(), Generation: g.number(), JSON: g.json()}
	case 2:
		return &ObjectDelete{Resource: g.text(), Namespace: g.text(), Name: g.text(), UID: g.text()}
	}
	return &Tick{UnixNanos: g.number()}
}

func (g generator) request() Request {
	switch g.IntN(8) {
	case 0:
		return &PutSet{Name: g.text(), Spec: g.setSpec()}
	case 1:
		return &PatchSet{Name: g.text(), Add: g.blocks(), Remove: g.texts()}
	case 2:
		return &DeleteSet{Name: g.text()}
	case 3:
		return &PutRule{Name: g.text(), Spec: g.ruleSpec()}
	case 4:
		return &DeleteRule{Name: g.text()}
	case 5:
		return &PutIsolation{Name: g.text(), Spec: IsolationSpec{
			Tier: Tier(g.IntN(4)), Direction: Direction(g.IntN(3)), Subjects: g.texts(), Origin: g.origin(),
		}}
	case 6:
		return &DeleteIsolation{Name: g.text()}
	}
	return &Report{Object: g.origin(), Condition: Condition{Type: g.text(), True: g.IntN(2) == 0, Reason: g.text(), Message: g.text()}}
}

func (g generator) setSpec() SetSpec {
	switch g.IntN(4) {
	case 0:
		p := &Pods{Namespaces: g.texts(), PodSelector: g.selector()}
		if g.IntN(2) == 0 {
			s := g.selector()
			p.NamespaceSelector = &s
		}
		return p
	case 1:
		return &Nodes{Selector: g.selector()}
	case 2:
		return &Addresses{Blocks: g.blocks()}
	}
	return nil
}

func (g generator) selector() (s Selector) {
	for range g.IntN(3) {
		s.Requirements = append(s.Requirements, Requirement{Key: g.text(), Operator: Operator(g.IntN(5)), Values: g.texts()})
	}
	return s
}

func (g generator) blocks() (list []Block) {
	for range g.IntN(3) {
		list = append(list, Block{CIDR: g.text(), Except: g.texts()})
	}
	return list
}

func (g generator) ruleSpec() RuleSpec {
	r := RuleSpec{
		Tier: Tier(g.IntN(4)), Direction: Direction(g.IntN(3)), Priority: int32(g.number()), Subjects: g.texts(), Peers: g.texts(),
		AnyPeer: g.IntN(2) == 0, Action: Action(g.IntN(5)), Log: g.IntN(2) == 0, Origin: g.origin(),
	}
	for range g.IntN(4) {
		p := Port{Protocol: Protocol(g.Uint32()), First: uint16(g.Uint32()), Last: uint16(g.Uint32()), Name: g.text()}
		if g.IntN(2) == 0 {
			p.ICMP = &ICMPKind{Type: uint8(g.Uint32()), Code: uint8(g.Uint32()), AnyCode: g.IntN(2) == 0}
		}
		r.Ports = append(r.Ports, p)
	}
	return r
}

func (g generator) origin() Origin {
	return Origin{Resource: g.text(), Namespace: g.text(), Name: g.text(), Rule: g.text()}
}
