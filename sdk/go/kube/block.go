package kube

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/sdk/go/jsonscan"
)

// CIDR reads an address range.
func CIDR(d *jsonscan.Decoder) (netip.Prefix, error) {
	text, err := d.String()
	if err != nil {
		return netip.Prefix{}, err
	}
	prefix, ok := parseCIDR(text)
	if !ok {
		return prefix, d.Fail(quote(text) + ` is no CIDR such as "10.0.0.0/8" or "fd00::/8"`)
	}
	return prefix, nil
}

// parseCIDR reads what the API server reads (k8s.io/utils/net, ParseCIDRSloppy),
// because objects that it let in must mean here what they mean there: host bits
// may be set and are cleared, leading zeros are decimal, and a range of
// IPv4-mapped IPv6 addresses is the range of IPv4 addresses.
func parseCIDR(text string) (netip.Prefix, bool) {
	address, length, _ := strings.Cut(text, "/")
	bits, err := strconv.ParseUint(length, 10, 16)
	if err != nil {
		return netip.Prefix{}, false
	}
	addr, err := netip.ParseAddr(withoutZeros(address))
	if err != nil || addr.Zone() != "" || bits > uint64(addr.BitLen()) {
		return netip.Prefix{}, false
	}
	if addr.Is4In6() && bits >= 96 {
		addr, bits = addr.Unmap(), bits-96
	}
	return netip.PrefixFrom(addr, int(bits)).Masked(), true
}

// withoutZeros takes the zeros off the front of each group of an address.
func withoutZeros(address string) string {
	var b strings.Builder
	front := true
	for i := 0; i < len(address); i++ {
		if c := address[i]; c != '0' || !front || i+1 == len(address) || !isAlnum(address[i+1]) {
			b.WriteByte(c)
			front = !isAlnum(c)
		}
	}
	return b.String()
}

// Block is a range of addresses without some ranges inside it.
type Block struct {
	CIDR   netip.Prefix
	Except []netip.Prefix
}

// Check refuses a block without a CIDR, and one with an exception that does not
// lie strictly inside the CIDR. d is where the block was just read.
func (b Block) Check(d *jsonscan.Decoder) error {
	if !b.CIDR.IsValid() {
		return Wrong(d, "cidr", "is required")
	}
	for i, except := range b.Except {
		if !b.CIDR.Overlaps(except) || except.Bits() <= b.CIDR.Bits() {
			return Wrong(d, "except["+strconv.Itoa(i)+"]", except.String()+" does not lie strictly inside "+b.CIDR.String())
		}
	}
	return nil
}

// union writes blocks in canonical form: sorted, and each CIDR once. A CIDR that
// is given twice keeps only those addresses out that both exceptions keep out.
func union(blocks []Block) []abi.Block {
	slices.SortStableFunc(blocks, func(a, b Block) int { return a.CIDR.Compare(b.CIDR) })
	var out []abi.Block
	for i := 0; i < len(blocks); {
		cidr, except := blocks[i].CIDR, outermost(blocks[i].Except)
		for i++; i < len(blocks) && blocks[i].CIDR == cidr; i++ {
			except = intersect(except, outermost(blocks[i].Except))
		}
		block := abi.Block{CIDR: cidr.String()}
		for _, e := range except {
			block.Except = append(block.Except, e.String())
		}
		out = append(out, block)
	}
	return out
}

// outermost sorts ranges and drops those that lie in another.
func outermost(ranges []netip.Prefix) []netip.Prefix {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, netip.Prefix.Compare)
	kept := ranges[:0]
	for _, r := range ranges {
		// A range sorts behind every range that contains it.
		if n := len(kept); n == 0 || !kept[n-1].Overlaps(r) {
			kept = append(kept, r)
		}
	}
	return kept
}

// intersect returns the ranges that lie both in one of a and in one of b, which
// are sorted and disjoint each. Of two CIDRs that meet, one contains the other.
func intersect(a, b []netip.Prefix) []netip.Prefix {
	var both []netip.Prefix
	for len(a) > 0 && len(b) > 0 {
		switch {
		case !a[0].Overlaps(b[0]) && a[0].Compare(b[0]) < 0:
			a = a[1:]
		case !a[0].Overlaps(b[0]):
			b = b[1:]
		case a[0].Bits() >= b[0].Bits():
			both, a = append(both, a[0]), a[1:]
		default:
			both, b = append(both, b[0]), b[1:]
		}
	}
	return both
}
