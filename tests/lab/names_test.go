package lab

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

const namesPolicies = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: dns, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: 203.0.113.10/32}}], ports: [{protocol: UDP, port: 53}, {port: 53}]}]
---
apiVersion: policy.sluice.dev/v1alpha1
kind: FQDNPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {}
  egress: [{names: ["*.example.test"], ports: [{port: 8443}]}]
`

// nameServer answers each nN.example.test and nN.other.test with 203.0.113.N, over
// UDP and TCP, and listens on port 8443 of all those addresses.
type nameServer struct {
	t   *testing.T
	ttl atomic.Uint32
}

const (
	nameServerAddr = "203.0.113.10"
	firstNamed     = 20
	lastNamed      = 80
	// unnamed has no name. It lies far from the others, because the bridge caches for
	// some milliseconds what it has denied to a range in which no rule had a part.
	unnamed = 200
)

func named() (all []int) {
	for i := firstNamed; i <= lastNamed; i++ {
		all = append(all, i)
	}
	return all
}

func startNameServer(t *testing.T, l *lab.Lab) *nameServer {
	t.Helper()
	s := &nameServer{t: t}
	s.ttl.Store(300)
	var udp net.PacketConn
	var tcp, web net.Listener
	err := l.In("external", func() (err error) {
		for _, i := range append(named(), unnamed) {
			if out, err := exec.Command("ip", "addr", "add", fmt.Sprintf("203.0.113.%d/32", i), "dev", "eth0").CombinedOutput(); err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
		}
		if udp, err = net.ListenPacket("udp4", nameServerAddr+":53"); err != nil {
			return err
		}
		if tcp, err = net.Listen("tcp4", nameServerAddr+":53"); err != nil {
			return err
		}
		web, err = net.Listen("tcp4", ":8443")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close(); tcp.Close(); web.Close() })
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = udp.WriteTo(s.answer(buf[:n]), from) // the Pod asks again
		}
	}()
	go func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if question, err := readTCP(c); err == nil {
					answer := s.answer(question)
					message := append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)
					// In two pieces, as large answers come.
					_, _ = c.Write(message[:10])
					time.Sleep(5 * time.Millisecond)
					_, _ = c.Write(message[10:])
				}
			}()
		}
	}()
	go func() {
		for {
			c, err := web.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	return s
}

func readTCP(c net.Conn) ([]byte, error) {
	size := make([]byte, 2)
	if _, err := io.ReadFull(c, size); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(size))
	_, err := io.ReadFull(c, message)
	return message, err
}

func (s *nameServer) answer(question []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		s.t.Errorf("a question that is none: %v", err)
		return nil
	}
	var last byte
	if _, err := fmt.Sscanf(m.Questions[0].Name.String(), "n%d.", &last); err != nil {
		s.t.Errorf("a question for %v", m.Questions[0].Name)
	}
	m.Response = true
	// By way of an alias, as names of services in clouds are.
	alias := dnsmessage.MustNewName("Edge.Cloud.Test.")
	head := func(name dnsmessage.Name) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: s.ttl.Load()}
	}
	m.Answers = []dnsmessage.Resource{
		{Header: head(m.Questions[0].Name), Body: &dnsmessage.CNAMEResource{CNAME: alias}},
		{Header: head(alias), Body: &dnsmessage.AResource{A: [4]byte{203, 0, 113, last}}},
	}
	packed, err := m.Pack()
	if err != nil {
		s.t.Error(err)
	}
	return packed
}

// resolve asks the name server from a Pod.
func resolve(l *lab.Lab, pod, network, name string) (addr netip.Addr, err error) {
	var c net.Conn
	err = l.In(pod, func() (err error) {
		c, err = net.DialTimeout(network, nameServerAddr+":53", 5*time.Second)
		return err
	})
	if err != nil {
		return addr, err
	}
	defer c.Close()
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true}, Questions: []dnsmessage.Question{
		{Name: dnsmessage.MustNewName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
	}}
	question, err := m.Pack()
	if err != nil {
		return addr, err
	}
	if network == "tcp4" {
		question = append(binary.BigEndian.AppendUint16(nil, uint16(len(question))), question...)
	}
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return addr, err
	}
	if _, err := c.Write(question); err != nil {
		return addr, err
	}
	var reply []byte
	if network == "tcp4" {
		reply, err = readTCP(c)
	} else {
		reply = make([]byte, 2048)
		var n int
		n, err = c.Read(reply)
		reply = reply[:n]
	}
	if err != nil {
		return addr, fmt.Errorf("waiting for the answer about %s over %s: %w", name, network, err)
	}
	if err := m.Unpack(reply); err != nil {
		return addr, err
	}
	for _, r := range m.Answers {
		if a, is := r.Body.(*dnsmessage.AResource); is {
			return netip.AddrFrom4(a.A), nil
		}
	}
	return addr, errors.New("no address")
}

// connects tells whether a Pod reaches port 8443 of an address, in one attempt
// without a second SYN.
func connects(t *testing.T, l *lab.Lab, pod string, addr netip.Addr) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond) // a second SYN comes after 1 s (RFC 6298)
	defer cancel()
	var d net.Dialer
	err := l.In(pod, func() error {
		c, err := d.DialContext(ctx, "tcp4", netip.AddrPortFrom(addr, 8443).String())
		if err == nil {
			c.Close()
		}
		return err
	})
	return err == nil
}

// namesKnown is how many names the agent of node east knows.
func namesKnown(t *testing.T, l *lab.Lab) int64 {
	t.Helper()
	body, err := l.Agent("east").Get(t.Context(), "/v1/status")
	var s agent.Status
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.Names
}

// TestNamesOnPackets: a Pod reaches what a policy names from the moment that it has
// the name server's answer, over UDP and TCP, and nothing else.
func TestNamesOnPackets(t *testing.T) {
	t.Parallel()
	module := labtest.Module(t, "fqdn")
	l := labtest.Start(t, lab.Options{
		Manifests: []string{labtest.File(t, "names.yaml", labelled(twoNodes)+"---"+namesPolicies)},
		Modules:   []string{lab.BuiltinModule, module}, NameServers: []string{nameServerAddr}, NameGrace: 1,
	})
	if err := l.ApplyPolicies(); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitRealised(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := startNameServer(t, l)
	time.Sleep(2500 * time.Millisecond) // the flows that hand answers to the agent are renewed every 2 s

	const pod = "shop/a"
	denied := netip.AddrFrom4([4]byte{203, 0, 113, unnamed})
	if connects(t, l, pod, denied) {
		t.Error("an address that no name leads to is reached")
	}
	slowest := time.Duration(0)
	for i := firstNamed; i < lastNamed-10; i++ {
		network := []string{"udp4", "tcp4"}[i%2]
		begin := time.Now()
		addr, err := resolve(l, pod, network, fmt.Sprintf("n%d.example.test", i))
		slowest = max(slowest, time.Since(begin))
		if err != nil {
			t.Fatal(err)
		}
		if !connects(t, l, pod, addr) {
			t.Errorf("n%d.example.test: the answer came over %s before the Pod could connect", i, network)
		}
	}
	t.Logf("%d names; the slowest answer took %v", lastNamed-10-firstNamed, slowest.Round(time.Millisecond))

	other, err := resolve(l, pod, "udp4", "n75.other.test")
	if err != nil {
		t.Fatal(err)
	}
	if connects(t, l, pod, other) {
		t.Error("a name that no policy names opened its address")
	}

	t.Run("an agent that is away holds no answer back", func(t *testing.T) {
		if err := l.Agent("west").Kill(); err != nil {
			t.Fatal(err)
		}
		asked := func() error { _, err := resolve(l, "shop/c", "udp4", "n76.example.test"); return err }
		deadline := time.Now().Add(20 * time.Second)
		for err := asked(); err != nil; err = asked() {
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
		if err := l.Agent("west").Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("an address is forgotten when its time is over, unless a connection is open", func(t *testing.T) {
		server.ttl.Store(1)
		addr, err := resolve(l, "shop/b", "udp4", "n77.example.test")
		if err != nil {
			t.Fatal(err)
		}
		if !connects(t, l, "shop/b", addr) {
			t.Error("the name's address is not reached")
		}
		known := namesKnown(t, l)
		for deadline := time.Now().Add(2 * time.Minute); namesKnown(t, l) == known; time.Sleep(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				live, err := l.OVS("east").Run(t.Context(), "ovs-appctl", "dpctl/dump-conntrack")
				t.Fatalf("%d names are known, long after the time of one was over; connections (%v):\n%s", known, err, live)
			}
		}
		// It is forgotten before the module has heard of it.
		for deadline := time.Now().Add(20 * time.Second); connects(t, l, "shop/b", addr); {
			if time.Now().After(deadline) {
				t.Fatal("the address is reached although it was forgotten")
			}
		}
	})
}
