package hostnet

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// RuleSource is a chain of nftables, or of iptables on top of nftables, in which a primary CNI plugin keeps rules that match
// the node's ends of Pods by their names. All are of family ip.
type RuleSource struct {
	Table, Chain string
	// Comment begins the comments of the plugin's rules, where the chain has others' as well. Empty: all are the plugin's.
	Comment string
}

// Mirror says which rules must hold for the gateway as they do for Pods' own devices.
type Mirror struct {
	Sources []RuleSource
	Devices []string // names of the node's ends of Pods, or what these begin with
	Gateway string
}

// mirrorTable is where the copies are (family ip). Each source has a base chain in it, right behind the source's.
const mirrorTable = "sluice"

// MirrorRules keeps copies of the rules, word for word but for the device, and returns how many there are and whether that
// was not so before. Without rules to copy there is no table. It all happens in one transaction.
//
// A copy is in a table of ours, and nothing in it refers to the plugin's chains: the plugin can delete these, iptables can
// read its tables, and taking the table away undoes everything. The base chain comes one priority after the source's, so
// that whatever comes before the plugin's rule comes before the copy.
func (h *Host) MirrorRules(m Mirror) (rules int, changed bool, err error) {
	want, err := h.compareMirror(m)
	if err != nil || want.holds {
		return want.rules(), false, err
	}
	c, table := want.c, &nftables.Table{Name: mirrorTable, Family: nftables.TableFamilyIPv4}
	if want.exists {
		c.DelTable(table)
	}
	if want.rules() > 0 {
		c.AddTable(table)
		for _, one := range want.done {
			one.chain.Table = table
			c.AddChain(one.chain)
		}
		for _, one := range want.done {
			for _, exprs := range one.rules {
				c.AddRule(&nftables.Rule{Table: table, Chain: one.chain, Exprs: exprs})
			}
		}
	}
	if err := c.Flush(); err != nil {
		return 0, false, fmt.Errorf("copy the primary plugin's rules about Pods' devices for %s (nftables table ip %s): %w", m.Gateway, mirrorTable, err)
	}
	return want.rules(), true, nil
}

// MirrorFaults says, for people, what MirrorRules would change. It changes nothing.
func (h *Host) MirrorFaults(m Mirror) (faults []string, err error) {
	want, err := h.compareMirror(m)
	if err != nil || want.holds {
		return nil, err
	}
	return []string{fmt.Sprintf("the primary plugin's rules about Pods' devices do not hold for %s as they are now (%d of them, nftables table ip %s)", m.Gateway, want.rules(), mirrorTable)}, nil
}

// compareMirror makes the copy, without writing it, and compares it with what is there.
func (h *Host) compareMirror(m Mirror) (copying, error) {
	c, err := h.nft()
	var chains []*nftables.Chain
	if err == nil {
		chains, err = c.ListChainsOfTableFamily(nftables.TableFamilyIPv4)
	}
	// A kernel without nftables says one of these; it has no rules to copy.
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EINVAL) {
		return copying{holds: true}, nil
	}
	if err != nil {
		return copying{}, fmt.Errorf("list nftables chains of family ip: %w", err)
	}
	want := copying{c: c, chains: chains, mirror: m}
	for _, s := range m.Sources {
		if err := want.base(s); err != nil {
			return copying{}, err
		}
	}
	var have []chainRules
	if have, want.exists, err = readTable(c, chains, mirrorTable); err != nil {
		return copying{}, err
	}
	want.holds = sameChains(have, want.done) && want.exists == (want.rules() > 0)
	return want, nil
}

// LegacyRules says whether the namespace has tables of iptables that are not nftables', which MirrorRules cannot see.
func (h *Host) LegacyRules() (legacy bool, err error) {
	err = in(h.ns, func() error {
		names, err := os.ReadFile("/proc/thread-self/net/ip_tables_names")
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		legacy = strings.Contains(string(names), "nat") || strings.Contains(string(names), "mangle")
		return err
	})
	return legacy, err
}
