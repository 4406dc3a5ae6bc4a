package datapath

import "github.com/sluice-net/sluice/host/openflow"

// Stage is a flow table of the pipeline. Packets only ever move to a later one.
type Stage uint8

// The pipeline, in the order in which packets pass it.
const (
	Classify        Stage = iota // who sent it; anti-spoofing
	ARP                          // the responder
	IPv6Control                  // neighbour discovery and its relatives
	Service                      // what a local Pod sends to a Service's address: translate it as its connection is
	Balance                      // a new connection to a Service's port: choose who answers
	Affinity                     // whom a client had before; looked up from Balance, no packet passes through
	Backend                      // the one that Affinity names, if it is still there; else choose
	Conntrack                    // look the connection up
	Route                        // where it goes: local Pod or gateway
	SourceClass                  // source address -> class
	DestClass                    // destination address -> class
	SourceBlock                  // source address -> block, longest prefix first
	DestBlock                    // destination address -> block
	Orient                       // replies: swap both ends
	EgressEntry                  // only connections opened by a local Pod go on to egress tiers
	EgressAdmin                  //
	EgressNetwork                //
	EgressBaseline               //
	IngressEntry                 // only connections to a local Pod go on to ingress tiers
	IngressAdmin                 //
	IngressNetwork               //
	IngressBaseline              //
	Commit                       // record new connections
	Reverse                      // what a Service's client hears comes from the Service
	Output                       // TTL, and out
	Denied                       // what some rule or isolation denied: refuse it, tell the agent, drop it
	numStages
)

// stageInfo documents one table and says where packets go that no flow matches.
type stageInfo struct {
	name string
	miss Stage // drop if dropOnMiss
	what string
}

// dropOnMiss as the miss of a stage: OVS drops what no flow matches.
const dropOnMiss = numStages

// stages is the whole pipeline; everything else refers to it by Stage.
var stages = [numStages]stageInfo{
	Classify:        {"Classify", dropOnMiss, "port and source address must belong together"},
	ARP:             {"ARP", dropOnMiss, "every request of a Pod is answered with the gateway's MAC"},
	IPv6Control:     {"IPv6Control", dropOnMiss, "to the gateway, unpoliced; router advertisements die"},
	Service:         {"Service", Conntrack, "one flow per address of a Service: ct(service zone, nat)"},
	Balance:         {"Balance", Conntrack, "one flow per address and port of a Service: its group"},
	Affinity:        {"Affinity", dropOnMiss, "learned: client and Service -> number of a backend"},
	Backend:         {"Backend", dropOnMiss, "one flow per backend of a Service with affinity; else its group"},
	Conntrack:       {"Conntrack", dropOnMiss, "ct(zone)"},
	Route:           {"Route", dropOnMiss, "one flow per local address, the rest to the gateway"},
	SourceClass:     {"SourceClass", DestClass, "one flow per address of a mentioned class"},
	DestClass:       {"DestClass", SourceBlock, "one flow per address of a mentioned class"},
	SourceBlock:     {"SourceBlock", DestBlock, "one flow per prefix, priority = prefix length"},
	DestBlock:       {"DestBlock", Orient, "one flow per prefix, priority = prefix length"},
	Orient:          {"Orient", dropOnMiss, "source/destination -> originator/responder"},
	EgressEntry:     {"EgressEntry", IngressEntry, "invalid packets of guarded Pods die here"},
	EgressAdmin:     {"EgressAdmin", EgressNetwork, "rules, then isolations"},
	EgressNetwork:   {"EgressNetwork", EgressBaseline, "rules, then isolations"},
	EgressBaseline:  {"EgressBaseline", IngressEntry, "rules, then isolations"},
	IngressEntry:    {"IngressEntry", Commit, "the Pod's own node is let in"},
	IngressAdmin:    {"IngressAdmin", IngressNetwork, "rules, then isolations"},
	IngressNetwork:  {"IngressNetwork", IngressBaseline, "rules, then isolations"},
	IngressBaseline: {"IngressBaseline", Commit, "rules, then isolations"},
	Commit:          {"Commit", Reverse, "ct(commit) for what is new and was let through"},
	Reverse:         {"Reverse", Output, "replies of backends; a Pod that is its own backend"},
	Output:          {"Output", dropOnMiss, "Pod to Pod loses one hop, like a router"},
	Denied:          {"Denied", dropOnMiss, "to the agent, metered, if it is to be refused or logged"},
}

// String is the stage's name.
func (s Stage) String() string {
	if s < numStages {
		return stages[s].name
	}
	return "Drop"
}

// next is the table behind s; going there is how a stage hands a packet on.
func (s Stage) next() uint8 { return uint8(s) + 1 }

// Registers. A register has one meaning in the whole pipeline.
var (
	regFlags       = openflow.Reg(0) // bits below
	regSourceClass = openflow.Reg(1) // from Orient on: class of the originator
	regDestClass   = openflow.Reg(2) // from Orient on: class of the responder
	regSourceBlock = openflow.Reg(3) // from Orient on: block of the originator
	regDestBlock   = openflow.Reg(4) // from Orient on: block of the responder
	regScratch     = openflow.Reg(5)
	regOutPort     = openflow.Reg(6)
	regEgressBy    = openflow.Reg(7)  // number of the part that decided egress; 0: none
	regIngressBy   = openflow.Reg(8)  // number of the part that decided ingress; 0: none
	regService     = openflow.Reg(9)  // number of the ServicePort with affinity that was asked for
	regBackend     = openflow.Reg(10) // number of the backend that the client had before; 0: none
)

// Bits of regFlags.
const (
	bitSenderLocal     = 0  // the packet came from a local Pod
	bitReceiverLocal   = 1  // the packet goes to a local Pod
	bitOriginatorLocal = 2  // a local Pod opened the connection
	bitResponderLocal  = 3  // a local Pod is whom it was opened to
	bitLog             = 4  // the agent hears of it if it opens a connection or is denied
	bitRefuse          = 5  // denied, and the sender is to be told
	bitTooLarge        = 6  // it does not fit the receiving Pod's MTU
	bitService         = 7  // its destination was a Service's until the bridge translated it
	bitFromGateway     = 8  // the host sent it
	bitHairpin         = 9  // a Pod talks to itself through a Service
	bitOutOfWindow     = 10 // conntrack calls a segment invalid; ServiceZone is asked whether it is a Service's
)

// flag is the clause "this bit of regFlags is set".
func flag(bit uint) openflow.Clause { return regFlags.Masked(1<<bit, 1<<bit) }

// noFlag is the clause "this bit of regFlags is clear".
func noFlag(bit uint) openflow.Clause { return regFlags.Masked(0, 1<<bit) }

// NodeClass stands for the node's own addresses in the class registers. The
// inventory never gives this number to Pods: node addresses belong to no Pod
// set (SEMANTICS 18).
const NodeClass = 0xffffffff

// The conntrack zones of the bridge; see the package's documentation. None is 0,
// so that the host's own connection tracking and ours never meet in the kernel
// datapath.
const (
	Zone        = 0x51ce // every connection, as policy judges it
	ServiceZone = 0x51cf // connections to Services, from the client's address to the Service's
	HairpinZone = 0x51d0 // connections of Pods to themselves through a Service
)

// The bits of ct_mark of a connection in Zone, in the order of bitService and
// bitFromGateway, of which they are copies.
const (
	markService = 1 // its replies are to be translated back
	markGateway = 2 // the host opened it, or turned it round: so it gets the replies
)

// Ethernet types.
const (
	ethIPv4 = 0x0800
	ethARP  = 0x0806
	ethIPv6 = 0x86dd
)

// Connection states as OVS numbers them (ovs-fields(7), ct_state).
const (
	ctNew        = 0x01
	ctRelated    = 0x04
	ctReply      = 0x08
	ctInvalid    = 0x10
	ctTracked    = 0x20
	ctTranslated = 0x80 // the destination address
)

// Priorities outside the tier tables. Flows of one table that can match the
// same packet never share one.
const (
	prioFirst  = 600 // before prioSelf, for what dies
	prioSelf   = 500 // before prioNarrow, for what a Pod sends to itself
	prioNarrow = 450 // before prioTop, for Pods whose MTU is smaller than others'
	prioTop    = 400
	prioHigh   = 300
	prioMiddle = 200
	prioLow    = 100
	prioLast   = 50 // behind prioLow
	prioMiss   = 0
)

// Priorities inside the tier tables: rule lanes share the space between
// isolation and ceiling.
const (
	prioIsolation = 10
	prioLaneMin   = 100
	prioLaneMax   = 65000
	prioExempt    = 65100 // what a tier does not judge
)

// Cookies say what a flow is for: a mark, a kind, and the number of the thing.
const cookieMark = uint64(0x51) << 56

type cookieKind uint64

const (
	cookieBaseline cookieKind = 1
	cookiePod      cookieKind = 2
	cookieMember   cookieKind = 3
	cookieClause   cookieKind = 4
	cookieRule     cookieKind = 5
	cookieIsolate  cookieKind = 6
	cookieService  cookieKind = 7
	cookieLearned  cookieKind = 8 // made by the switch: the book knows nothing of them
)

func cookie(kind cookieKind, number uint32) uint64 {
	return cookieMark | uint64(kind)<<48 | uint64(number)
}
