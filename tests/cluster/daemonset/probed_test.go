package daemonset

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tests/nettest"
)

// The prober sees to a few milliseconds when a server that echoes falls silent, and when
// it is there again.
func TestProber(t *testing.T) {
	ns := nettest.Namespace(t, "sluice-prober")
	address := netip.MustParseAddrPort("127.0.0.1:80")
	var listener net.Listener
	nettest.Do(t, ns, func() (err error) {
		listener, err = net.Listen("tcp", address.String())
		return err
	})
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // the client ends it
			}()
		}
	}()
	w := &world{TB: t}
	p := probe(nettest.Path(ns), address)
	w.talks(p)
	nettest.Enter(t, ns, "nft", "add table inet t; add chain inet t c { type filter hook input priority 0; }; add rule inet t c drop")
	silent := time.Now()
	time.Sleep(rest)
	connected, echoes := p.since(silent.Add(20 * time.Millisecond))
	if len(connected)+len(echoes) > 0 {
		t.Errorf("%d connections and %d echoes after the server was cut off", len(connected), len(echoes))
	}
	nettest.Enter(t, ns, "nft", "delete table inet t")
	again := time.Now()
	if late := w.first(p, again).Sub(again); late > time.Second {
		t.Errorf("the first connection came after %v", late)
	}
	w.talks(p)
	if err := p.end(); err != nil {
		t.Error(err)
	}
}
