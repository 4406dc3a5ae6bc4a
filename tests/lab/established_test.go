package lab

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// allowOnlyFromB lets shop/b alone reach shop/a and shop/c, in place of
// allowFromWeb.
const allowOnlyFromB = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: narrow, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {name: b}}}]}]
`

// established is a lab with named Pods and the policy that allows all of them.
func established(t *testing.T) *lab.Lab {
	t.Helper()
	l := labtest.Start(t, lab.Options{Manifests: []string{labtest.File(t, "pods.yaml", labelled(twoNodes))}})
	if err := l.WaitRealised(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

// labelled gives the Pods of a manifest their names as a label.
func labelled(manifest string) string {
	for _, name := range []string{"a", "b", "c", "d"} {
		manifest = strings.Replace(manifest, "{name: "+name+", namespace", "{name: "+name+", labels: {name: "+name+"}, namespace", 1)
	}
	return manifest
}

func applied(t *testing.T, l *lab.Lab, name, content string) {
	t.Helper()
	if err := l.ApplyContent(name, []byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitRealised(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// cutWithin is how soon a connection that is no longer allowed must be dead,
// counted from when the agents say that the change is in force.
const cutWithin = time.Second

// silent waits until nothing comes back any more, and wants that to be so soon.
func silent(t *testing.T, name string, s *lab.Stream) {
	t.Helper()
	time.Sleep(cutWithin)
	at := s.Report().Received
	time.Sleep(cutWithin)
	if now := s.Report().Received; now != at {
		t.Errorf("%s: %d messages came back more than %v after the policy forbade it", name, now-at, cutWithin)
	}
}

// A change of policy is a change for connections that exist (SEMANTICS 26): what
// is no longer allowed is cut, in both directions; what still is allowed does not
// notice; and when the policy goes, what was cut goes on (SEMANTICS 27).
func TestSemantics26And27EstablishedConnections(t *testing.T) {
	l := established(t)
	streams := map[string]*lab.Stream{}
	for name, open := range map[string]func() (*lab.Stream, error){
		"TCP b to a, allowed": func() (*lab.Stream, error) {
			return l.TCPStream(lab.StreamSpec{From: "shop/b", To: "shop/a", Rate: 200})
		},
		"UDP b to c, allowed": func() (*lab.Stream, error) {
			return l.UDPStream(lab.StreamSpec{From: "shop/b", To: "shop/c", Rate: 200})
		},
		"TCP d to a, cut": func() (*lab.Stream, error) {
			return l.TCPStream(lab.StreamSpec{From: "shop/d", To: "shop/a", Rate: 200})
		},
		"UDP d to a, cut": func() (*lab.Stream, error) {
			return l.UDPStream(lab.StreamSpec{From: "shop/d", To: "shop/c", Rate: 200})
		},
	} {
		s, err := open()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Cleanup(func() { s.Stop() })
		streams[name] = s
	}
	for name, s := range streams {
		if err := s.WaitFlowing(t.Context(), 50); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}

	applied(t, l, "narrow.yaml", allowOnlyFromB)
	for name, s := range streams {
		if strings.HasSuffix(name, "cut") {
			silent(t, name, s)
		}
	}
	// A restart of the agent cuts nothing, and heals nothing.
	for _, node := range []string{"east", "west"} {
		if err := l.Agent(node).Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.WaitRealised(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, s := range streams {
		if strings.HasSuffix(name, "cut") {
			silent(t, name, s)
		}
	}

	if err := l.Remove("narrow.yaml"); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitRealised(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, s := range streams {
		if err := s.WaitFlowing(t.Context(), s.Report().Received+50); err != nil {
			t.Errorf("%s does not go on although nothing forbids it: %v", name, err)
		}
		report := s.Stop()
		t.Logf("%s: %v", name, report)
		if strings.HasSuffix(name, "allowed") && (report.Lost != 0 || report.Err != nil) {
			t.Errorf("%s: %v", name, report)
		}
	}
}

// A Pod that starts when its policy is known is isolated before its first packet
// (SEMANTICS 23): somebody who knocks a thousand times a second is never let in.
func TestSemantics23IsolatedBeforeTheFirstPacket(t *testing.T) {
	l := established(t)
	applied(t, l, "narrow.yaml", allowOnlyFromB)
	knocking, err := l.UDPStream(lab.StreamSpec{From: "shop/d", To: "shop/a"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { knocking.Stop() })
	for range 3 {
		if err := l.DetachPod(t.Context(), "shop/a"); err != nil {
			t.Fatal(err)
		}
		if err := l.AttachPod(t.Context(), "shop/a"); err != nil {
			t.Fatal(err)
		}
		// Whoever may, gets in at once.
		welcome, err := l.UDPStream(lab.StreamSpec{From: "shop/b", To: "shop/a"})
		if err != nil {
			t.Fatal(err)
		}
		if err := welcome.WaitFlowing(t.Context(), 100); err != nil {
			t.Error(err)
		}
		welcome.Stop()
	}
	report := knocking.Stop()
	t.Logf("%d knocks", report.Sent)
	if report.Sent < 100 || report.Received != 0 {
		t.Errorf("%d of %d knocks were answered", report.Received, report.Sent)
	}
}
