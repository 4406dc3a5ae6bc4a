package services

import (
	"encoding/binary"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/tests/nettest"
)

// Ten backends get equal shares of 100,000 connections, within 5%.
func TestTenBackendsGetEqualShares(t *testing.T) {
	r := newRig(t, 2)
	for protocol, name := range map[abi.Protocol]string{abi.UDP: "UDP", abi.TCP: "TCP"} {
		s := r.service(protocol, 0)
		s.Backends = addresses(10)
		r.put(s)
		share := r.shares(protocol, s.Frontends[0].Address, 100_000)
		r.dp.DeleteService(s.Name)
		all := total(share)
		if all < 99_000 || len(share) != 10 {
			t.Fatalf("%s: %d connections were counted, to %d backends", name, all, len(share))
		}
		for to, n := range share {
			more := 100*float64(n)*float64(len(share))/float64(all) - 100
			t.Logf("%s: %s gets %d of %d connections, %+.1f%%", name, to, n, all, more)
			if more < -5 || more > 5 {
				t.Errorf("%s: %s gets %+.1f%% of an even share", name, to, more)
			}
		}
	}
}

// shares opens n connections and says how many each backend got, as the group counts
// them. What a busy machine loses on the way to Open vSwitch is sent again: what was
// not lost is then no new connection.
func (r *rig) shares(protocol abi.Protocol, to netip.AddrPort, n int) map[string]int {
	r.t.Helper()
	var share map[string]int
	for range 8 {
		for _, p := range r.Pods {
			nettest.Do(r.t, p.NetNS, func() error { return r.open(protocol, p.Addresses[0], to, n/len(r.Pods)) })
		}
		r.settle()
		share = r.counted()
		if total(share) >= n*99/100 {
			break
		}
	}
	return share
}

func total(share map[string]int) (n int) {
	for _, one := range share {
		n += one
	}
	return n
}

// open sends the first packets of connections from as many ports.
func (r *rig) open(protocol abi.Protocol, from netip.Addr, to netip.AddrPort, n int) error {
	raw, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, int(protocol))
	if err != nil {
		return err
	}
	defer syscall.Close(raw)
	for i := range n {
		header := make([]byte, map[abi.Protocol]int{abi.UDP: 8, abi.TCP: 20}[protocol])
		be := binary.BigEndian
		be.PutUint16(header, uint16(1024+i))
		be.PutUint16(header[2:], to.Port())
		checksumAt := 6
		if protocol == abi.TCP {
			checksumAt = 16
			header[12], header[13] = 5<<4, 2 // five words, SYN
		} else {
			be.PutUint16(header[4:], 8)
		}
		be.PutUint16(header[checksumAt:], checksum(protocol, from, to.Addr(), header))
		if err := syscall.Sendto(raw, header, 0, &syscall.SockaddrInet4{Addr: to.Addr().As4()}); err != nil {
			return err
		}
		if i%200 == 0 {
			time.Sleep(4 * time.Millisecond) // Open vSwitch reads from a buffer
		}
	}
	return nil
}

// checksum is that of TCP and UDP over IPv4 (RFC 9293, 3.1).
func checksum(protocol abi.Protocol, from, to netip.Addr, segment []byte) uint16 {
	b := append(append(from.AsSlice(), to.AsSlice()...), 0, byte(protocol), 0, byte(len(segment)))
	b = append(b, segment...)
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

var packetCount = regexp.MustCompile(`bucket\d+:packet_count=(\d+)`)

// counted are the packets that went to each backend, by the counters of the buckets
// of all groups: Open vSwitch lists them in the order in which it describes them.
func (r *rig) counted() map[string]int {
	r.t.Helper()
	to := regexp.MustCompile(`nat\(dst=([^)]+)\)`)
	described := strings.Split(r.OVS.OFCtl(nettest.Bridge, "dump-groups"), "group_id=")
	share := map[string]int{}
	for _, group := range strings.Split(r.OVS.OFCtl(nettest.Bridge, "dump-group-stats"), "group_id=")[1:] {
		counts := packetCount.FindAllStringSubmatch(group, -1)
		id, _, _ := strings.Cut(group, ",")
		for _, d := range described {
			if !strings.HasPrefix(d, id+",") {
				continue
			}
			for i, m := range to.FindAllStringSubmatch(d, -1) {
				n, err := strconv.Atoi(counts[i][1])
				r.must(err)
				share[m[1]] += n
			}
		}
	}
	return share
}
