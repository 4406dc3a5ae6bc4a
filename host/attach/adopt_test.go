package attach

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/hostnet"
	"github.com/sluice-net/sluice/tests/nettest"
)

var webRunning = Running{Namespace: "shop", Name: "web", UID: "u1", Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("fd00:1::2")}}

// Both orders, that for copies of frames and that for a port that takes them over, end in the same, and are undone to
// what was before: by Eject, and when the last of the steps fails. (The second order is done here with the userspace
// datapath, for what it writes; frames arrive twice then.)
func TestAdoptAndEjectInBothOrders(t *testing.T) {
	for name, takesOver := range map[string]bool{"copies": false, "takes over": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.a.mode.takesOver = takesOver
			pod := nettest.Namespace(t, "sluice-attach")
			w.primary("c1", pod, "4", "6")
			before := w.snapshot(pod)
			w.node.fail = errors.New("flow table full")
			if _, err := w.a.Adopt(w.ctx, webRunning); err == nil || !strings.Contains(err.Error(), "flow table full") {
				t.Errorf("got %v", err)
			}
			w.same("after a failed adoption", w.snapshot(pod), before)
			w.node.fail = nil
			for range 2 {
				if adoption, err := w.a.Adopt(w.ctx, webRunning); err != nil || adoption.Already {
					t.Fatalf("adopt: %+v, %v", adoption, err)
				}
				list := w.a.Attachments()
				if p, ok := w.node.pod("web"); !ok || len(list) != 1 || p.OFPort != list[0].OFPort || p.OFPort == 0 || !list[0].Adopted() {
					t.Errorf("the datapath has %+v; attached: %+v", p, list)
				}
				if adoption, err := w.a.Adopt(w.ctx, webRunning); err != nil || !adoption.Already {
					t.Errorf("adopt again: %+v, %v", adoption, err)
				}
				if !takesOver {
					if r, err := w.a.Reconcile(w.ctx); err != nil || r.Total() != 0 {
						t.Errorf("there was still to repair: %+v, %v", r, err)
					}
				}
				w.pings(w.ns, "10.1.0.2", "fd00:1::2")
				w.pings(pod, "10.1.0.1", "fd00:1::1")
				if err := w.a.Eject(w.ctx, "shop", "web"); err != nil {
					t.Fatal(err)
				}
				w.same("after eject", w.snapshot(pod), before)
				w.pings(w.ns, "10.1.0.2", "fd00:1::2")
			}
			var gone *NotAttachedError
			if err := w.a.Eject(w.ctx, "shop", "web"); !errors.As(err, &gone) {
				t.Errorf("eject again: %v", err)
			}
		})
	}
}

// A process that stops after any step of an adoption is followed by one that finishes it, and can undo it.
func TestCrashAfterEachStepOfAnAdoption(t *testing.T) {
	w := newWorld(t)
	pod := nettest.Namespace(t, "sluice-attach")
	w.primary("c1", pod, "4", "6")
	before := w.snapshot(pod)
	for stop := range len(w.a.adopting(&Attachment{}, &Adoption{})) + 1 {
		crashed := w.newAttacher()
		if _, err := crashed.Restore(w.ctx); err != nil {
			t.Fatal(err)
		}
		at, err := crashed.find(w.ctx, webRunning)
		if err != nil {
			t.Fatal(err)
		}
		if err := crashed.run(w.ctx, at, crashed.adopting(at, &Adoption{})[:stop]); err != nil {
			t.Fatal(err)
		}
		next := w.newAttacher()
		found, err := next.Restore(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 {
			if _, err := next.Adopt(w.ctx, webRunning); err != nil {
				t.Fatal(err)
			}
		}
		if r, err := next.Reconcile(w.ctx); err != nil || r.Total() != 0 {
			t.Errorf("stopped after %d: there was still to repair: %+v, %v", stop, r, err)
		}
		if err := next.Eject(w.ctx, "shop", "web"); err != nil {
			t.Fatal(err)
		}
		w.same("after eject", w.snapshot(pod), before)
		w.pings(w.ns, "10.1.0.2", "fd00:1::2")
	}
}

// Where a port takes the frames over, nothing is sent to it while it is not there.
func TestNothingIsSentToAPortThatIsNotThere(t *testing.T) {
	w := newWorld(t)
	w.a.mode.takesOver = true
	pod := nettest.Namespace(t, "sluice-attach")
	w.primary("c1", pod, "4", "6")
	node := &watched{fakeNode: w.node, port: func() bool { return w.ovs.Run("ovs-vsctl", "list-ports", "br-sluice") != "sluice-gw0\n" }}
	w.a.opts.Node = node
	if _, err := w.a.Adopt(w.ctx, webRunning); err != nil {
		t.Fatal(err)
	}
	if err := w.a.Eject(w.ctx, "shop", "web"); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"adopt, sends only: true, port: false", "adopt, sends only: false, port: true", "adopt, sends only: false, port: true",
		"release, sends only: true, port: true", "detach, port: false",
	}
	if !slices.Equal(node.saw, want) {
		t.Errorf("the datapath saw\n%s\nwant\n%s", strings.Join(node.saw, "\n"), strings.Join(want, "\n"))
	}
}

// watched notes in which order it is asked, and whether the Pod's port is there.
type watched struct {
	*fakeNode
	port func() bool
	saw  []string
}

func (n *watched) AdoptPod(ctx context.Context, p Pod, connections []hostnet.Connection) (int, error) {
	n.saw = append(n.saw, fmt.Sprintf("adopt, sends only: %t, port: %t", p.SendsOnly, n.port()))
	return n.fakeNode.AdoptPod(ctx, p, connections)
}

func (n *watched) ReleasePod(ctx context.Context, namespace, name string) error {
	err := n.fakeNode.ReleasePod(ctx, namespace, name)
	p, _ := n.pod(name)
	n.saw = append(n.saw, fmt.Sprintf("release, sends only: %t, port: %t", p.SendsOnly, n.port()))
	return err
}

func (n *watched) DetachPod(ctx context.Context, namespace, name string) error {
	n.saw = append(n.saw, fmt.Sprintf("detach, port: %t", n.port()))
	return n.fakeNode.DetachPod(ctx, namespace, name)
}
