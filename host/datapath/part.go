package datapath

import (
	"github.com/sluice-net/sluice/abi"
	of "github.com/sluice-net/sluice/host/openflow"
	"github.com/sluice-net/sluice/host/policy"
)

// rule is a policy rule, or an isolation, which is a rule without peers, ports
// and lane that every other rule of the tier comes before.
type rule struct {
	key       policy.Key
	order     int
	spec      abi.RuleSpec
	isolation bool
	stage     Stage
	subjects  []*set
	peers     []*set
	parts     map[partKey]*part
}

// partKey tells the parts of a rule apart: the ports that are given by number,
// and each number that a port name stands for. Where the name is the peer's, peers
// that are given by address are a part of their own: they must be in a block
// and, besides, be Pods that have the port (SEMANTICS 12, 15).
type partKey struct {
	port    namedPort
	number  uint16
	byBlock bool
}

// part is what becomes one conjunction. It is installed while it has both a
// subject on this node and a peer.
type part struct {
	partKey
	rule     *rule
	id       uint32
	subjects int // local classes
	peers    int // classes and blocks
	holders  int // byBlock only: classes that have the port
	matches  []of.Match
	// signature is what its verdict writes into the packet: who decided.
	signature of.Actions
	lane      *lane // nil: not installed
}

func (p *part) named() bool { return p.port.name != "" }

// stageOf is the tier table of a rule.
func stageOf(d abi.Direction, t abi.Tier) Stage {
	first := IngressAdmin
	if d == abi.Egress {
		first = EgressAdmin
	}
	return first + Stage(t-abi.Admin)
}

// entryOf is the table before the tiers of a direction.
func entryOf(d abi.Direction) (stage Stage, localSubject uint) {
	if d == abi.Egress {
		return EgressEntry, bitOriginatorLocal
	}
	return IngressEntry, bitResponderLocal
}

// accepted is where packets go that a direction has let through.
func accepted(d abi.Direction) Stage {
	if d == abi.Egress {
		return IngressEntry
	}
	return Commit
}

// ends are the registers of the subject and of its peer.
func ends(d abi.Direction) (subject, peerClass, peerBlock of.Field) {
	if d == abi.Egress {
		return regSourceClass, regDestClass, regDestBlock
	}
	return regDestClass, regSourceClass, regSourceBlock
}

// destIsPeer says whether a named port is resolved on the peer: it belongs to
// whoever the connection is opened to (SEMANTICS 10).
func (r *rule) destIsPeer() bool { return r.spec.Direction == abi.Egress }

// namesPeerPort says that the part is about a port name of the peer.
func (p *part) namesPeerPort() bool { return p.named() && p.rule.destIsPeer() }

// peerDimension says whether the peer of a part is looked at. A named port is
// one of the peer's own, so even "any peer" must be a Pod that has it
// (SEMANTICS 12).
func (p *part) peerDimension() bool { return !p.rule.spec.AnyPeer || p.namesPeerPort() }

// peerClassSets are the sets whose classes are peers.
func (p *part) peerClassSets(every *set) []*set {
	switch {
	case p.byBlock:
		return nil
	case !p.rule.spec.AnyPeer:
		return p.rule.peers
	case p.namesPeerPort():
		return []*set{every}
	}
	return nil
}

// peerBlockSets are the sets whose blocks are peers.
func (p *part) peerBlockSets() []*set {
	if p.byBlock || !p.namesPeerPort() {
		return p.rule.peers
	}
	return nil
}

// The clauses of a conjunction: subject, peer, holder of the port, port. Those
// that a part does not need are left out. One clause alone needs no conjunction.
const (
	subjectClause = 1
	peerClause    = 2
	holderClause  = 3
)

func (p *part) dimensions() uint8 {
	n := uint8(1)
	if p.peerDimension() {
		n++
	}
	if p.byBlock {
		n++
	}
	if len(p.matches) > 0 {
		n++
	}
	return n
}
