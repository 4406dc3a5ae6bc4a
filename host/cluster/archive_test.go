package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/sluice-net/sluice/host/keep"
)

// namesIn is what an archive on disk holds, in words.
func namesIn(path string) ([]string, error) {
	a, err := openArchive(path, slog.New(slog.DiscardHandler))
	defer a.close()
	if err != nil {
		return nil, err
	}
	entries, err := a.read()
	var names []string
	for resource, list := range entries {
		names = append(names, resource)
		for _, e := range list {
			names = append(names, fmt.Sprintf("%s %s %s", resource, e.Name, e.Object))
		}
	}
	slices.Sort(names)
	return names, err
}

// However batches and rewrites follow on one another, what is read is what was kept.
func TestArchive(t *testing.T) {
	s := &stream{resource: NetworkPolicies}
	now := time.Unix(1_000_000, 0)
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(t.TempDir(), fmt.Sprint(rapid.Uint64().Draw(rt, "id")), "objects")
		a, err := openArchive(path, slog.New(slog.DiscardHandler))
		if err != nil || len(a.complete) > 0 {
			rt.Fatal(a.complete, err)
		}
		want := map[string]string{}
		for range rapid.IntRange(1, 20).Draw(rt, "batches") {
			b := batch{parts: []taken{{stream: s, version: "7"}}}
			for range rapid.IntRange(0, 5).Draw(rt, "events") {
				e := Event{Op: Put, Resource: NetworkPolicies, Namespace: "shop", Name: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "name")}
				if rapid.Bool().Draw(rt, "delete") {
					e.Op = Delete
					delete(want, e.Name)
				} else {
					e.JSON = fmt.Appendf(nil, `{"n":%d}`, rapid.IntRange(0, 1000).Draw(rt, "content"))
					want[e.Name] = string(e.JSON)
				}
				b.events = append(b.events, e)
			}
			a.add(b, now)
			if rapid.Bool().Draw(rt, "rewrite") && a.file != nil {
				if err := a.rewrite(); err != nil {
					rt.Fatal(err)
				}
			}
		}
		a.close()
		names := []string{NetworkPolicies}
		for name, content := range want {
			names = append(names, fmt.Sprintf("%s %s %s", NetworkPolicies, name, content))
		}
		slices.Sort(names)
		if got, err := namesIn(path); err != nil || !slices.Equal(got, names) {
			rt.Fatalf("kept %q, read %q, %v", names, got, err)
		}
	})
}

// A resource whose first list did not get to the disk whole is as if it had not been
// kept, and one that nobody asks for any more is gone.
func TestArchiveComplete(t *testing.T) {
	path := filepath.Join(t.TempDir(), "objects")
	a, _ := openArchive(path, slog.New(slog.DiscardHandler))
	pod := Event{Op: Put, Resource: Pods, Name: "p", Object: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}}}
	a.add(batch{events: []Event{pod}}, time.Now())
	a.close()
	if got, err := namesIn(path); err != nil || len(got) != 0 {
		t.Errorf("of an incomplete list there is %q, %v", got, err)
	}
	a, _ = openArchive(path, slog.New(slog.DiscardHandler))
	a.add(batch{events: []Event{pod}, parts: []taken{{stream: &stream{resource: Pods}}}}, time.Now())
	a.close()
	if got, err := namesIn(path); err != nil || len(got) != 2 {
		t.Errorf("of a complete list there is %q, %v", got, err)
	}
	a, _ = openArchive(path, slog.New(slog.DiscardHandler))
	a.add(batch{gone: map[string]bool{Pods: true}}, time.Now())
	a.close()
	if got, err := namesIn(path); err != nil || len(got) != 0 {
		t.Errorf("of what nobody asks for there is %q, %v", got, err)
	}
	if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := namesIn(path); !errors.Is(err, keep.ErrCorrupt) {
		t.Errorf("something else: %v", err)
	}
}

// An agent that starts again is told all objects: what is on disk as it is, is not
// written again, and what went in between goes.
func TestArchiveAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "objects")
	put := func(name, content string) Event {
		return Event{Op: Put, Resource: NetworkPolicies, Name: name, JSON: []byte(content)}
	}
	parts := []taken{{stream: &stream{resource: NetworkPolicies}, version: "7"}}
	a, _ := openArchive(path, slog.New(slog.DiscardHandler))
	a.add(batch{events: []Event{put("same", "1"), put("changed", "1"), put("gone", "1"), put("early", "1")}, parts: parts}, time.Now())
	a.close()
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	a, _ = openArchive(path, slog.New(slog.DiscardHandler))
	a.add(batch{events: []Event{put("early", "1")}}, time.Now()) // asked for before the list
	a.add(batch{events: []Event{put("same", "1")}, parts: nil}, time.Now())
	if now, err := os.Stat(path); err != nil || now.Size() != before.Size() {
		t.Errorf("the log has %d bytes, %v; before it had %d", now.Size(), err, before.Size())
	}
	a.add(batch{events: []Event{put("changed", "2")}, parts: parts}, time.Now())
	a.close()
	want := []string{NetworkPolicies, NetworkPolicies + " changed 2", NetworkPolicies + " early 1", NetworkPolicies + " same 1"}
	if got, err := namesIn(path); err != nil || !slices.Equal(got, want) {
		t.Errorf("there is %q, %v; want %q", got, err, want)
	}
}
