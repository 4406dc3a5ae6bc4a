package hostnet

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// chainRules is a chain with what its rules do.
type chainRules struct {
	chain *nftables.Chain
	rules [][]expr.Any
}

// copying is a copy in the making.
type copying struct {
	c      *nftables.Conn
	chains []*nftables.Chain // all of family ip
	mirror Mirror
	done   []chainRules
	exists bool // there is a table of ours
	holds  bool // and it is equal
}

func (w *copying) rules() (n int) {
	for _, one := range w.done {
		n += len(one.rules)
	}
	return n
}

func (w *copying) find(table, name string) *nftables.Chain {
	i := slices.IndexFunc(w.chains, func(c *nftables.Chain) bool { return c.Table.Name == table && c.Name == name })
	if i < 0 {
		return nil
	}
	return w.chains[i]
}

// base copies a source's rules about Pods' devices, and with them those that are about no device, as these come into play
// for the same packets.
func (w *copying) base(s RuleSource) error {
	source := w.find(s.Table, s.Chain)
	if source == nil || source.Priority == nil || source.Hooknum == nil {
		return nil
	}
	all, err := w.c.GetRules(source.Table, source)
	if err != nil {
		return fmt.Errorf("read nftables chain ip %s %s: %w", s.Table, s.Chain, err)
	}
	var rules [][]expr.Any
	about := false
	for _, r := range all {
		if !strings.HasPrefix(commentOf(r.Exprs), s.Comment) {
			continue
		}
		copied, aboutPods, ok := w.mirror.forGateway(r.Exprs)
		if ok {
			about = about || aboutPods
			rules = append(rules, copied)
		}
	}
	if !about {
		return nil
	}
	after := *source.Priority + 1
	w.done = append(w.done, chainRules{&nftables.Chain{
		Name: s.Table + "-" + s.Chain, Type: source.Type, Hooknum: source.Hooknum, Priority: &after,
	}, rules})
	return w.follow(s.Table, rules)
}

// follow copies the chains to which rules jump.
func (w *copying) follow(table string, rules [][]expr.Any) error {
	for _, exprs := range rules {
		for _, e := range exprs {
			to, ok := e.(*expr.Verdict)
			if !ok || to.Chain == "" {
				continue
			}
			source := w.find(table, to.Chain)
			if source == nil {
				return fmt.Errorf("nftables table ip %s has no chain %s, to which one of its rules jumps", table, to.Chain)
			}
			to.Chain = table + "-" + source.Name
			if slices.ContainsFunc(w.done, func(one chainRules) bool { return one.chain.Name == to.Chain }) {
				continue
			}
			all, err := w.c.GetRules(source.Table, source)
			if err != nil {
				return fmt.Errorf("read nftables chain ip %s %s: %w", table, source.Name, err)
			}
			var inside [][]expr.Any
			for _, r := range all {
				inside = append(inside, uncounted(r.Exprs))
			}
			w.done = append(w.done, chainRules{&nftables.Chain{Name: to.Chain}, inside})
			if err := w.follow(table, inside); err != nil {
				return err
			}
		}
	}
	return nil
}

// forGateway is a rule with the gateway in place of Pods' devices; ok is false if it is about other devices.
func (m Mirror) forGateway(exprs []expr.Any) (copied []expr.Any, aboutPods, ok bool) {
	gateway := make([]byte, unix.IFNAMSIZ)
	copy(gateway, m.Gateway)
	copied = uncounted(exprs)
	var device uint32 // the register that holds the name of the input device
	for i, e := range copied {
		switch e := e.(type) {
		case *expr.Meta:
			if e.Key == expr.MetaKeyIIFNAME && !e.SourceRegister {
				device = e.Register
			} else if !e.SourceRegister && e.Register == device {
				device = 0
			}
		case *expr.Cmp:
			if device == 0 || e.Register != device {
				continue
			}
			if e.Op != expr.CmpOpEq || !m.coversPods(e.Data) {
				return nil, false, false
			}
			copied[i] = &expr.Cmp{Op: expr.CmpOpEq, Register: e.Register, Data: gateway}
			return copied, true, true
		}
	}
	here := []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: gateway}}
	return append(here, copied...), false, true
}

// coversPods says whether a comparison is with the beginning of names, and those of Pods' devices are among them. One with a
// whole name ends with a zero.
func (m Mirror) coversPods(data []byte) bool {
	if len(data) == 0 || bytes.IndexByte(data, 0) >= 0 {
		return false
	}
	return slices.ContainsFunc(m.Devices, func(name string) bool { return strings.HasPrefix(name, string(data)) })
}

// commentOf is the comment that iptables keeps with a rule.
func commentOf(exprs []expr.Any) string {
	for _, e := range exprs {
		if match, ok := e.(*expr.Match); ok {
			if c, ok := match.Info.(*xt.Comment); ok {
				return string(*c)
			}
		}
	}
	return ""
}

// uncounted is a copy whose counters begin at 0, and which can be written. The library (nftables v0.3.0) does not say which
// register is the source where a rule writes to a connection: it is the one that the rule has filled before.
func uncounted(exprs []expr.Any) []expr.Any {
	copied := slices.Clone(exprs)
	var filled uint32
	for i, e := range copied {
		switch e := e.(type) {
		case *expr.Counter:
			copied[i] = &expr.Counter{}
		case *expr.Verdict:
			v := *e
			copied[i] = &v
		case *expr.Ct:
			if e.Register == 0 {
				copied[i] = &expr.Ct{Register: filled, SourceRegister: true, Key: e.Key, Direction: e.Direction}
				continue
			}
			filled = e.Register
		case *expr.Meta:
			filled = e.Register
		case *expr.Immediate:
			filled = e.Register
		case *expr.Payload:
			filled = e.DestRegister
		case *expr.Bitwise:
			filled = e.DestRegister
		}
	}
	return copied
}
