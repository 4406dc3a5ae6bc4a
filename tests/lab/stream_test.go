package lab

import (
	"context"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// Streams count what they lose: nothing on a quiet network, and what is sent
// while the listener's Pod is unplugged.
func TestStreamsCountLosses(t *testing.T) {
	l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "pods.yaml", twoNodes)}, PolicyFree: true})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	udp, err := l.UDPStream(lab.StreamSpec{From: "shop/b", To: "shop/c"})
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := l.TCPStream(lab.StreamSpec{From: "shop/c", To: "shop/a", Rate: 500})
	if err != nil {
		t.Fatal(err)
	}
	if err := udp.WaitFlowing(ctx, 500); err != nil {
		t.Fatal(err)
	}
	if err := tcp.WaitFlowing(ctx, 200); err != nil {
		t.Fatal(err)
	}
	for name, stream := range map[string]*lab.Stream{"UDP": udp, "TCP": tcp} {
		report := stream.Stop()
		if report.Err != nil || report.Lost != 0 || report.Duplicates != 0 || report.Sent < 200 {
			t.Errorf("%s on a quiet network: %v", name, report)
		}
		if again := stream.Stop(); again != report {
			t.Errorf("%s: stopped twice, it reports %v, then %v", name, report, again)
		}
		t.Logf("%s: %v", name, report)
	}

	udp, err = l.UDPStream(lab.StreamSpec{From: "shop/b", To: "shop/c", Rate: 200})
	if err != nil {
		t.Fatal(err)
	}
	if err := udp.WaitFlowing(ctx, 20); err != nil {
		t.Fatal(err)
	}
	if err := l.DetachPod(ctx, "shop/c"); err != nil {
		t.Fatal(err)
	}
	unplugged := time.Now()
	for udp.Report().Lost < 40 {
		if ctx.Err() != nil {
			t.Fatalf("unplugged for %v, the stream reports %v", time.Since(unplugged), udp.Report())
		}
		time.Sleep(10 * time.Millisecond) // there is no event to wait for: nothing arrives
	}
	if err := l.AttachPod(ctx, "shop/c"); err != nil {
		t.Fatal(err)
	}
	if err := udp.WaitFlowing(ctx, udp.Report().Received+20); err != nil {
		t.Fatal(err)
	}
	report := udp.Stop()
	if report.Err != nil || report.Lost < 40 || report.LongestGap < 150*time.Millisecond {
		t.Errorf("unplugged for a while: %v", report)
	}
	t.Logf("unplugged and plugged in again: %v", report)
}

func TestStreamNeedsAListener(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "pods.yaml", twoNodes)}, PolicyFree: true})
	for _, spec := range []lab.StreamSpec{
		{From: "shop/a", To: "shop/b"},
		{From: "shop/a", To: "shop/c", Port: 54},
		{From: "shop/none", To: "shop/c"},
		{From: "shop/a", To: "shop/c", Rate: -1},
	} {
		if stream, err := l.UDPStream(spec); err == nil {
			t.Errorf("%+v is taken", spec)
			stream.Stop()
		}
	}
}
