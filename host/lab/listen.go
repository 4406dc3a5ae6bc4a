package lab

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// listener answers on one address and port in the name of its owner. To every
// line (TCP, SCTP) or datagram (UDP) it answers with what it got, its owner's
// name, and the source address that it saw, separated by spaces.
type listener struct {
	owner   string
	address netip.Addr
	port    Port
	closers sync.Mutex
	closer  []interface{ Close() error }
	closed  bool
}

// Skipped is something declared on which nobody listens in the lab, and why.
type Skipped struct {
	To       string `json:"to"`
	Address  string `json:"address"`
	Protocol string `json:"protocol"`
	Port     uint16 `json:"port"`
	Reason   string `json:"reason"`
}

// listenEverywhere opens the listeners of all Pods, hosts and the external host.
func (l *Lab) listenEverywhere() error {
	ports := append([]Port{{"TCP", EchoPort}, {"UDP", EchoPort}}, l.options.Listen...)
	for _, n := range l.nodes {
		if err := l.listen(n.ns, l.hostName(n), n.plan.Addresses, ports); err != nil {
			return err
		}
	}
	if err := l.listen(l.fabric.external, External, l.plan.External, ports); err != nil {
		return err
	}
	for _, p := range l.pods {
		if err := l.listenPod(p); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) listenPod(p *pod) error {
	return l.listen(p.ns, p.plan.Key(), p.plan.Addresses, p.plan.Ports)
}

func (l *Lab) listen(ns *namespace, owner string, addresses []netip.Addr, ports []Port) error {
	l.listening.Lock()
	defer l.listening.Unlock()
	for _, port := range ports {
		for _, address := range addresses {
			one := &listener{owner: owner, address: address, port: port}
			if reason := l.cannotListen(one); reason != "" {
				l.skip(one, reason)
				continue
			}
			if err := one.open(ns); err != nil {
				return fmt.Errorf("%s: %w", owner, err)
			}
			l.listening.all = append(l.listening.all, one)
		}
	}
	return nil
}

// cannotListen knows the two reasons that are nobody's fault: a kernel without
// SCTP, and hostNetwork Pods that share a node and want the same port.
func (l *Lab) cannotListen(wanted *listener) string {
	if wanted.port.Protocol == "SCTP" {
		if err := hasSCTP(); err != nil {
			return err.Error()
		}
	}
	i := slices.IndexFunc(l.listening.all, func(other *listener) bool {
		return other.address == wanted.address && other.port == wanted.port
	})
	if i >= 0 {
		return fmt.Sprintf("%s listens there already, in the same network namespace", l.listening.all[i].owner)
	}
	return ""
}

func (l *Lab) skip(wanted *listener, reason string) {
	skipped := Skipped{wanted.owner, wanted.address.String(), wanted.port.Protocol, wanted.port.Number, reason}
	if !slices.Contains(l.skipped, skipped) {
		l.skipped = append(l.skipped, skipped)
	}
}

// stopListening closes the listeners of one owner, or of all.
func (l *Lab) stopListening(owner string) {
	l.listening.Lock()
	defer l.listening.Unlock()
	l.listening.all = slices.DeleteFunc(l.listening.all, func(one *listener) bool {
		if owner != "" && one.owner != owner {
			return false
		}
		one.close()
		return true
	})
}

func (s *listener) open(ns *namespace) error {
	address := netip.AddrPortFrom(s.address, s.port.Number)
	if s.port.Protocol == "UDP" {
		conn, err := ns.listenPacket(address)
		if err != nil {
			return err
		}
		s.track(conn)
		go s.answerPackets(conn)
		return nil
	}
	stream, err := ns.listenStream(address, s.port.Protocol)
	if err != nil {
		return err
	}
	s.track(stream)
	go s.accept(stream)
	return nil
}

// track remembers what close must close; it closes at once what comes too late.
func (s *listener) track(one interface{ Close() error }) {
	s.closers.Lock()
	defer s.closers.Unlock()
	if s.closed {
		_ = one.Close()
		return
	}
	s.closer = append(s.closer, one)
}

func (s *listener) forget(one interface{ Close() error }) {
	_ = one.Close()
	s.closers.Lock()
	defer s.closers.Unlock()
	s.closer = slices.DeleteFunc(s.closer, func(other interface{ Close() error }) bool { return other == one })
}

func (s *listener) close() {
	s.closers.Lock()
	defer s.closers.Unlock()
	s.closed = true
	for _, one := range s.closer {
		_ = one.Close()
	}
	s.closer = nil
}

func (s *listener) accept(stream net.Listener) {
	for {
		conn, err := stream.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the peer gave up before it was accepted
		}
		s.track(conn)
		go s.answerLines(conn)
	}
}

func (s *listener) answerLines(conn net.Conn) {
	defer s.forget(conn)
	remote, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return
	}
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return
		}
		if _, err := conn.Write(s.answer(line[:len(line)-1], remote)); err != nil {
			return
		}
	}
}

func (s *listener) answerPackets(conn *net.UDPConn) {
	packet := make([]byte, 2048)
	for {
		n, remote, err := conn.ReadFromUDPAddrPort(packet)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, _ = conn.WriteToUDPAddrPort(s.answer(packet[:n], remote), remote) // a lost answer is the probe's to see
		}
	}
}

func (s *listener) answer(question []byte, remote netip.AddrPort) []byte {
	return fmt.Appendf(nil, "%s %s %s\n", question, s.owner, remote.Addr().Unmap())
}
