package proxy

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/abi"
)

// claims say which Service is served at an address and port where several want
// to be.
type claims map[claimed][]claim

type claimed struct {
	protocol abi.Protocol
	address  netip.AddrPort
}

type claim struct {
	by   *service
	kind addressKind
}

// compare orders claims: the first is served. A cluster IP comes before an address
// that anybody may write into a Service, and then the older object.
func (c claim) compare(o claim) int {
	return cmp.Or(cmp.Compare(c.kind, o.kind), c.by.created.Compare(o.by.created), c.by.name.compare(o.by.name))
}

// claimsOf are all that a Service claims, each once.
func claimsOf(s *service, take func(claimed, addressKind)) {
	for _, a := range s.addresses {
		for _, p := range s.ports {
			take(claimed{p.protocol, netip.AddrPortFrom(a.ip, p.number)}, a.kind)
		}
	}
}

// add takes the claims of a Service in, and says which others are concerned.
func (c claims) add(s *service) (concerned []objectName) {
	claimsOf(s, func(at claimed, kind addressKind) {
		mine := claim{s, kind}
		i, _ := slices.BinarySearchFunc(c[at], mine, claim.compare)
		for _, other := range c[at][i:] {
			concerned = append(concerned, other.by.name)
		}
		c[at] = slices.Insert(c[at], i, mine)
	})
	return concerned
}

// drop takes them out.
func (c claims) drop(s *service) (concerned []objectName) {
	claimsOf(s, func(at claimed, _ addressKind) {
		i := slices.IndexFunc(c[at], func(o claim) bool { return o.by == s })
		left := slices.Delete(c[at], i, i+1)
		for _, other := range left[i:] {
			concerned = append(concerned, other.by.name)
		}
		if len(left) == 0 {
			delete(c, at)
		} else {
			c[at] = left
		}
	})
	return concerned
}

// holder is who is served there; nil: nobody claims it.
func (c claims) holder(at claimed) *service {
	if of := c[at]; len(of) > 0 {
		return of[0].by
	}
	return nil
}
