package transparency

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/host/lab"
)

// frame is a frame that came in at an end.
type frame struct {
	device string
	// kind is what the kernel makes of its destination: PACKET_HOST,
	// PACKET_BROADCAST, PACKET_MULTICAST or PACKET_OTHERHOST (packet(7)).
	kind uint8
	data []byte // from the Ethernet header on
	// partial: the sender left its checksum to a device that does not exist.
	partial bool
}

func (f frame) etherType() uint16 { return uint16(f.data[12])<<8 | uint16(f.data[13]) }

// sniffer keeps every frame that comes in at an end.
type sniffer struct {
	end  string
	fd   int
	mu   sync.Mutex
	all  []frame
	news chan struct{} // closed and made anew when a frame comes
	done chan struct{}
}

// listen starts a sniffer, which ends with the test. It hears all devices of
// the end whose names have the prefix.
func listen(t *testing.T, l *lab.Lab, end, device string) *sniffer {
	t.Helper()
	s := &sniffer{end: end, news: make(chan struct{}), done: make(chan struct{})}
	names := map[int]string{}
	in(t, l, end, func() error {
		devices, err := net.Interfaces()
		if err != nil {
			return err
		}
		for _, d := range devices {
			if strings.HasPrefix(d.Name, device) {
				names[d.Index] = d.Name
			}
		}
		if len(names) == 0 {
			return fmt.Errorf("no device %s*", device)
		}
		s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(toNetwork(unix.ETH_P_ALL)))
		return err
	})
	poll := unix.Timeval{Usec: 50_000}
	err := errors.Join(
		unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20),
		unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
		unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &poll))
	if err != nil {
		t.Fatalf("%s: setting up a packet socket: %v", end, err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		s.run(names, stop)
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		_ = unix.Close(s.fd)
	})
	return s
}

func toNetwork(v uint16) uint16 { return v<<8 | v>>8 }

func (s *sniffer) run(names map[int]string, stop <-chan struct{}) {
	data, control := make([]byte, 70_000), make([]byte, 256)
	for {
		select {
		case <-stop:
			return
		default:
		}
		n, m, _, from, err := unix.Recvmsg(s.fd, data, control, 0)
		if err != nil {
			continue // nothing came
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if !ok || link.Pkttype == unix.PACKET_OUTGOING || names[link.Ifindex] == "" || n < 14 {
			continue
		}
		s.keep(frame{names[link.Ifindex], link.Pkttype, append([]byte(nil), data[:n]...), partialChecksum(control[:m])})
	}
}

func partialChecksum(control []byte) bool {
	messages, _ := unix.ParseSocketControlMessage(control)
	for _, m := range messages {
		if m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA && len(m.Data) >= 4 {
			return *(*uint32)(unsafe.Pointer(&m.Data[0]))&unix.TP_STATUS_CSUMNOTREADY != 0
		}
	}
	return false
}

func (s *sniffer) keep(f frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, f)
	close(s.news)
	s.news = make(chan struct{})
}

// frames are those that have come, from the one with a number on.
func (s *sniffer) frames(from int) []frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[from:len(s.all):len(s.all)]
}

func (s *sniffer) count() int { return len(s.frames(0)) }

// since gives the frames from a number on, and a channel that is closed when
// there are more.
func (s *sniffer) since(from int) ([]frame, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[min(from, len(s.all)):len(s.all):len(s.all)], s.news
}

// wait waits until one of the frames from the given number on is as wanted.
func (s *sniffer) wait(from int, patience time.Duration, wanted func(frame) bool) (frame, bool) {
	return waitAny([]*sniffer{s}, []int{from}, patience, wanted)
}

// waitAny waits until one of two sniffers, or the only one, hears what is wanted.
func waitAny(of []*sniffer, from []int, patience time.Duration, wanted func(frame) bool) (frame, bool) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	from = append([]int(nil), from...)
	for {
		var news [2]<-chan struct{}
		for i, s := range of {
			fresh, more := s.since(from[i])
			for _, f := range fresh {
				if wanted(f) {
					return f, true
				}
			}
			from[i] += len(fresh)
			news[i] = more
		}
		select {
		case <-news[0]:
		case <-news[1]: // nil, and never ready, if there is one only
		case <-timeout.C:
			return frame{}, false
		}
	}
}
