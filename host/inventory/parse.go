package inventory

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/abi"
)

// block is one CIDR without its excepts.
type block struct {
	cidr    netip.Prefix
	excepts []netip.Prefix
}

// parseBlocks reads blocks. CIDRs are masked; of nested excepts only the outer
// ones are kept.
func parseBlocks(specs []abi.Block) ([]block, error) {
	blocks := make([]block, 0, len(specs))
	for i, spec := range specs {
		cidr, err := parsePrefix(spec.CIDR)
		if err != nil {
			return nil, fmt.Errorf("blocks[%d].cidr: %w", i, err)
		}
		b := block{cidr: cidr}
		for k, text := range spec.Except {
			except, err := parsePrefix(text)
			if err != nil {
				return nil, fmt.Errorf("blocks[%d].except[%d]: %w", i, k, err)
			}
			if !cidr.Overlaps(except) || except.Bits() < cidr.Bits() {
				return nil, fmt.Errorf("blocks[%d].except[%d]: %s is not inside %s", i, k, except, cidr)
			}
			b.excepts = append(b.excepts, except)
		}
		if len(b.excepts) > 1 {
			b.excepts = outermost(b.excepts)
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// outermost drops prefixes that lie in another one of them.
func outermost(prefixes []netip.Prefix) []netip.Prefix {
	slices.SortFunc(prefixes, netip.Prefix.Compare) // an outer prefix comes right before what lies in it
	kept := prefixes[:0]
	for _, p := range prefixes {
		if len(kept) == 0 || !kept[len(kept)-1].Overlaps(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

func parsePrefix(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not a CIDR such as 10.0.0.0/8 or fd00::/8", text)
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}
