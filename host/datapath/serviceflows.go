package datapath

import (
	"net/netip"
	"time"

	"github.com/sluice-net/sluice/abi"
	of "github.com/sluice-net/sluice/host/openflow"
)

// compiled is what a ServicePort needs in the switch.
type compiled struct {
	number uint32
	names  map[string]struct{} // whose numbers it uses
	groups []wantedGroup
	flows  []of.Flow
	// shared flows are the same for all ports of an address.
	shared []of.Flow
	// whole is what is done with later fragments of datagrams to an address, as
	// long as this is the only port that they can be for.
	whole []of.Flow
}

// compiler makes a compiled of a ServicePort.
type compiler struct {
	*ServicePort
	numbers *numbers
	told    bool // the switch can tell the agent of packets
	out     *compiled
}

func compileService(p *ServicePort, n *numbers, told bool) *compiled {
	c := compiler{ServicePort: p, numbers: n, told: told, out: &compiled{names: map[string]struct{}{}}}
	c.out.number = c.take(p.Name)
	c.out.groups = (&balancer{port: p, number: c.out.number, take: c.take, actions: c.choose}).groups()
	for _, f := range p.Frontends {
		c.frontend(f)
	}
	if p.Affinity > 0 && len(p.Backends) > 0 {
		for _, b := range p.Backends {
			c.add(Backend, prioMiddle, of.MatchOf(c.ethernet(), regBackend.Is(uint64(c.backend(b)))), 0, c.remember(b), c.translation(b))
		}
		c.add(Backend, prioLow, of.MatchOf(c.ethernet(), regService.Is(uint64(c.out.number))), 0, of.Group(c.out.number))
	}
	return c.out
}

func (c *compiler) take(name string) uint32 {
	c.out.names[name] = struct{}{}
	return c.numbers.take(name)
}

func (c *compiler) flow(stage Stage, priority uint16, match of.Match, goTo uint8, actions ...of.Action) of.Flow {
	return of.Flow{
		Table: uint8(stage), Priority: priority, Cookie: cookie(cookieService, c.out.number),
		Match: match, Actions: of.Do(actions...), Goto: goTo,
	}
}

func (c *compiler) add(stage Stage, priority uint16, match of.Match, goTo uint8, actions ...of.Action) {
	c.out.flows = append(c.out.flows, c.flow(stage, priority, match, goTo, actions...))
}

func (c *compiler) ethernet() of.Clause {
	if c.v6() {
		return of.EthType.Is(ethIPv6)
	}
	return of.EthType.Is(ethIPv4)
}

func (c *compiler) frontend(f Frontend) {
	eth, dst := destination(f.Address.Addr())
	c.out.shared = append(c.out.shared, c.flow(Service, prioLow, of.MatchOf(eth, dst), 0, translate(ServiceZone, Balance)))
	// The port as conntrack has it, as fragments of a datagram have none to Open
	// vSwitch.
	newConnection := state(ctTracked|ctNew, ctTracked|ctNew|ctInvalid)
	opens := of.MatchOf(newConnection, of.CTNwProto.Is(uint64(c.Protocol)), eth, dst, of.CTTpDst.Is(uint64(f.Address.Port()))).And(c.opening()...)
	actions, goTo, balanced := c.balance()
	if !balanced {
		return
	}
	if f.Sources == nil {
		c.add(Balance, prioMiddle, opens, goTo, actions...)
		if c.Protocol == abi.UDP && len(c.Backends) > 0 {
			later := of.MatchOf(newConnection, of.CTNwProto.Is(uint64(c.Protocol)), eth, dst, of.IPFrag.Masked(of.FragLater, of.FragLater))
			c.out.whole = append(c.out.whole, c.flow(Balance, prioLast, later, goTo, actions...))
		}
		return
	}
	for _, s := range f.Sources {
		c.add(Balance, prioMiddle, opens.And(source(s)...), goTo, actions...)
	}
	c.add(Balance, prioLow, opens, 0)
}

// source are the clauses for packets from a range; none if that is everybody.
func source(p netip.Prefix) []of.Clause {
	switch {
	case p.Bits() == 0:
		return nil
	case p.Addr().Is4():
		return []of.Clause{of.IPv4Src.Prefix(p.Masked())}
	}
	return []of.Clause{of.IPv6Src.Prefix(p.Masked())}
}

// opening are clauses for the packet that opens a connection. In the middle
// of a TCP connection that the bridge does not know, nobody is chosen: it was
// opened before the bridge balanced, and is left to who did then.
func (c *compiler) opening() []of.Clause {
	clauses := []of.Clause{of.IPProto.Is(uint64(c.Protocol))}
	if c.Protocol == abi.TCP {
		clauses = append(clauses, of.TCPFlags.Masked(tcpSYN, tcpSYN|tcpACK))
	}
	return clauses
}

// Flags of TCP (RFC 9293, 3.1).
const (
	tcpFIN = 0x001
	tcpSYN = 0x002
	tcpRST = 0x004
	tcpACK = 0x010
)

// balance is what is done with a packet that opens a connection. Not balanced: it
// goes on as it is, to the gateway.
func (c *compiler) balance() (actions []of.Action, goTo uint8, balanced bool) {
	switch {
	case len(c.Backends) == 0 && c.WhenEmpty == DropWhenEmpty:
		return nil, 0, true
	case len(c.Backends) == 0 && c.told:
		return []of.Action{of.Controller{UserData: []byte{byte(KindUnreachable), byte(abi.Egress)}, MeterID: MeterRefuse}}, 0, true
	case len(c.Backends) == 0:
		return nil, 0, false
	}
	service := of.SetField(regFlags.Masked(1<<bitService, 1<<bitService))
	if c.Affinity == 0 {
		return []of.Action{service, of.Group(c.out.number)}, 0, true
	}
	return []of.Action{service, of.SetField(regService.Is(uint64(c.out.number))), of.Resubmit(uint8(Affinity))}, uint8(Backend), true
}

// choose is the bucket of a backend. With affinity it leads back to the table
// Backend, as buckets are action sets, in which learn does nothing.
func (c *compiler) choose(b netip.AddrPort) of.Actions {
	if c.Affinity == 0 {
		return of.Do(c.translation(b))
	}
	return of.Do(of.SetField(regBackend.Is(uint64(c.backend(b)))), of.Resubmit(uint8(Backend)))
}

// remember makes the switch choose a backend for the client's next connections,
// until there has been none for as long as affinity lasts.
func (c *compiler) remember(b netip.AddrPort) of.Action {
	src, eth := of.IPv4Src, uint64(ethIPv4)
	if c.v6() {
		src, eth = of.IPv6Src, ethIPv6
	}
	return of.Learn{
		IdleTimeout: uint16(min(c.Affinity, MaxAffinity) / time.Second), Priority: prioLow,
		Cookie: cookie(cookieLearned, c.out.number), Table: uint8(Affinity),
		Specs: []of.LearnSpec{
			of.LearnMatch(of.EthType.Is(eth)), of.LearnMatchField(src.All(), src.All()),
			of.LearnMatchField(regService.All(), regService.All()),
			of.LearnLoad(regBackend.Is(uint64(c.backend(b)))),
		},
	}
}

// backend is the number of a backend of a ServicePort with affinity.
func (c *compiler) backend(b netip.AddrPort) uint32 { return c.take(c.Name + "\x00" + b.String()) }

// translation sends the connection to a backend. From here on it is one between
// client and backend to everything behind, policy included (SEMANTICS 16).
func (c *compiler) translation(b netip.AddrPort) of.Action {
	return of.CT{
		Commit: true, Zone: ServiceZone, Table: uint8(Conntrack),
		NAT: &of.NAT{Destination: true, Min: b.Addr(), MinPort: b.Port()},
	}
}
