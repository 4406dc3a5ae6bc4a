package attach

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

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
