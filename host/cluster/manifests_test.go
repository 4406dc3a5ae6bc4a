package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// recorder is a sink that says in one text each what it was called with.
type recorder struct {
	dir   string
	calls chan string
}

func (r *recorder) Apply(events []Event) { r.calls <- names(events) }
func (r *recorder) Synced()              { r.calls <- "synced" }
func (r *recorder) Revision(string)      {}

func (r *recorder) Problems(problems []Problem) {
	r.calls <- strings.TrimSuffix("problems\n"+told(r.dir, problems), "\n")
}

// patience is how long a test waits for something that must happen.
const patience = 20 * time.Second

// expect waits for the next calls, which must be these.
func (r *recorder) expect(t *testing.T, want ...string) {
	t.Helper()
	for _, want := range want {
		select {
		case got := <-r.calls:
			if got != want {
				t.Fatalf("the sink was told\n%s\nwant\n%s", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("the sink was told nothing, want\n%s", want)
		}
	}
}

// start runs a source on the paths until the test ends.
func start(t *testing.T, dir string, options Options) (*Manifests, *recorder) {
	t.Helper()
	options.Rescan = time.Hour // a test must see the kernel's notices at work
	if options.Quiet == 0 {
		// Steps that belong together must not be torn apart by a busy machine.
		options.Quiet = 300 * time.Millisecond
	}
	m, err := NewManifests(options)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{dir, make(chan string, 100)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx, r) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run goes on after its context ended")
		}
	})
	return m, r
}

// look waits until the files as they are now have been read.
func look(t *testing.T, m *Manifests) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.lookNow(ctx); err != nil {
		t.Fatal(err)
	}
}

func namespace(name string) string {
	return "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\n"
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

const (
	putPolicy    = "put networkpolicies.networking.k8s.io shop/web"
	deletePolicy = "delete networkpolicies.networking.k8s.io shop/web"
)

func TestFollow(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": policy("podSelector: {}"), "bad.yaml": "kind: X\n"})
	path := filepath.Join(dir, "a.yaml")
	m, r := start(t, dir, Options{Paths: []string{dir}})
	const bad = "bad.yaml, document 1: apiVersion: is missing: say which API this is of, for instance apiVersion: networking.k8s.io/v1"
	r.expect(t, "put namespaces shop\n"+putPolicy, "problems\n"+bad, "synced")

	t.Log("a change, and a new file")
	writeFile(t, path, policy("ingress: [{}]"))
	r.expect(t, putPolicy)
	writeFile(t, filepath.Join(dir, "b.yml"), namespace("new"))
	r.expect(t, "put namespaces new")

	t.Log("a change of form is no change")
	writeFile(t, path, "# more\n"+policy("ingress: [ { } ]"))
	look(t, m)

	t.Log("an invalid version keeps the one before, and a good neighbour goes on")
	writeFile(t, path, policy("ingress: [{from: [{}]}]")+"---\n"+namespace("more"))
	const refused = "a.yaml, document 1: NetworkPolicy shop/web: spec.ingress[0].from[0]: Required value: must specify a peer; what was read before stays in force"
	r.expect(t, "put namespaces more", "problems\n"+refused+"\n"+bad)

	t.Log("unreadable text keeps everything of the file")
	writeFile(t, path, "a: b: c")
	const garbled = "a.yaml, document 1: yaml: mapping values are not allowed in this context; what was read before stays in force"
	r.expect(t, "problems\n"+garbled+"\n"+bad)
	writeFile(t, path, "")
	const empty = "a.yaml: the file is empty: delete it, or write a comment into it, if it is meant to hold nothing; what was read before stays in force"
	r.expect(t, "problems\n"+empty+"\n"+bad)

	t.Log("a good version again: nothing but what differs is told")
	writeFile(t, path, policy("ingress: [{}]"))
	r.expect(t, "delete namespaces more", "problems\n"+bad)

	t.Log("deleted")
	remove(t, path)
	r.expect(t, deletePolicy+"\ndelete namespaces shop")
	remove(t, filepath.Join(dir, "bad.yaml"))
	r.expect(t, "problems")
}

// The way in which an object stays in force does not depend on the file that
// its next version is in.
func TestMovedAndInvalid(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": policy("podSelector: {}")})
	m, r := start(t, dir, Options{Paths: []string{dir}})
	r.expect(t, "put namespaces shop\n"+putPolicy, "synced")
	t.Log("moved: one change, nothing to tell")
	rename(t, filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml"))
	look(t, m)
	t.Log("moved and invalid")
	writeFile(t, filepath.Join(dir, "b.yaml"), "# moved\n")
	writeFile(t, filepath.Join(dir, "c.yaml"), policy("policyTypes: [None]"))
	r.expect(t, `problems
c.yaml, document 1: NetworkPolicy shop/web: spec.policyTypes[0]: Unsupported value: "None": supported values: "Egress", "Ingress"; what was read before stays in force`)
	t.Log("and gone")
	remove(t, filepath.Join(dir, "c.yaml"))
	r.expect(t, deletePolicy+"\ndelete namespaces shop", "problems")
}

// The second of two files takes over when the first goes, and the first, once
// invalid, does not yield to it.
func TestSecondFileTakesOver(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": policy("podSelector: {}"), "b.yaml": policy("ingress: [{}]")})
	_, r := start(t, dir, Options{Paths: []string{dir}})
	twice := "b.yaml, document 1: NetworkPolicy shop/web: metadata.name: the same object is in a.yaml, document 1, which is read first and wins: delete one of the two"
	r.expect(t, "put namespaces shop\n"+putPolicy, "problems\n"+twice, "synced")
	writeFile(t, filepath.Join(dir, "a.yaml"), policy("egress: 1"))
	r.expect(t, "problems\na.yaml, document 1: NetworkPolicy shop/web: spec.egress: is a number where a list is expected; what was read before stays in force\n"+twice)
	remove(t, filepath.Join(dir, "a.yaml"))
	r.expect(t, putPolicy, "problems")
}

// Editors write beside the file and rename; none of what they leave lying about
// is read.
func TestEditors(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": namespace("one")})
	_, r := start(t, dir, Options{Paths: []string{dir}})
	r.expect(t, "put namespaces one", "synced")
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{".a.yaml.swp", "4913", "a.yaml~", "#a.yaml#", ".#a.yaml", ".a.yaml"} {
		writeFile(t, in(name), namespace("litter"))
	}
	t.Log("vim: the old file aside, a new one in its place")
	rename(t, in("a.yaml"), in("a.yaml~"))
	writeFile(t, in("a.yaml"), namespace("two"))
	remove(t, in("a.yaml~"))
	r.expect(t, "delete namespaces one\nput namespaces two")
	t.Log("others: a new file over the old")
	writeFile(t, in("a.yaml.tmp"), namespace("three"))
	rename(t, in("a.yaml.tmp"), in("a.yaml"))
	r.expect(t, "delete namespaces two\nput namespaces three")
}

// A ConfigMap volume swaps all its files at once by renaming one link.
func TestConfigMap(t *testing.T) {
	for _, whole := range []bool{true, false} {
		t.Run(fmt.Sprintf("directory %v", whole), func(t *testing.T) {
			dir := t.TempDir()
			in := func(name string) string { return filepath.Join(dir, name) }
			version := func(name, text string) {
				mkdir(t, in(name))
				writeFile(t, filepath.Join(in(name), "a.yaml"), text)
				symlink(t, name, in("..data_tmp"))
				rename(t, in("..data_tmp"), in("..data"))
			}
			version("..1", namespace("one"))
			symlink(t, "..data/a.yaml", in("a.yaml"))
			path := dir
			if !whole {
				path = in("a.yaml")
			}
			_, r := start(t, dir, Options{Paths: []string{path}})
			r.expect(t, "put namespaces one", "synced")
			version("..2", namespace("two"))
			remove(t, in("..1"))
			r.expect(t, "delete namespaces one\nput namespaces two")
			version("..3", namespace("three"))
			r.expect(t, "delete namespaces two\nput namespaces three")
		})
	}
}

func TestLinkElsewhere(t *testing.T) {
	dir, other := t.TempDir(), write(t, map[string]string{"real": namespace("one")})
	symlink(t, filepath.Join(other, "real"), filepath.Join(dir, "a.yaml"))
	_, r := start(t, dir, Options{Paths: []string{dir}})
	r.expect(t, "put namespaces one", "synced")
	writeFile(t, filepath.Join(other, "real"), namespace("two"))
	r.expect(t, "delete namespaces one\nput namespaces two")
}

// A directory that goes takes nothing with it.
func TestDirectoryGoes(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "manifests")
	mkdir(t, dir)
	writeFile(t, filepath.Join(dir, "a.yaml"), policy("podSelector: {}"))
	_, r := start(t, top, Options{Paths: []string{dir}})
	r.expect(t, "put namespaces shop\n"+putPolicy, "synced")
	remove(t, dir)
	r.expect(t, "problems\nmanifests: stat manifests: no such file or directory; what was read before stays in force")
	mkdir(t, dir)
	writeFile(t, filepath.Join(dir, "a.yaml"), policy("ingress: [{}]"))
	r.expect(t, putPolicy, "problems")
	t.Log("another directory takes its name")
	other := filepath.Join(top, "other")
	mkdir(t, other)
	writeFile(t, filepath.Join(other, "a.yaml"), policy("egress: [{}]"))
	rename(t, dir, filepath.Join(top, "old"))
	rename(t, other, dir)
	r.expect(t, putPolicy)
	t.Log("and is watched")
	writeFile(t, filepath.Join(dir, "b.yaml"), namespace("more"))
	r.expect(t, "put namespaces more")
	writeFile(t, filepath.Join(top, "old", "b.yaml"), namespace("no"))
	writeFile(t, filepath.Join(dir, "c.yaml"), namespace("last"))
	r.expect(t, "put namespaces last")
}

func TestLinkToDirectory(t *testing.T) {
	top := t.TempDir()
	for _, name := range []string{"one", "two"} {
		mkdir(t, filepath.Join(top, name))
		writeFile(t, filepath.Join(top, name, "a.yaml"), namespace(name))
	}
	link := filepath.Join(top, "manifests")
	symlink(t, "one", link)
	_, r := start(t, top, Options{Paths: []string{link}})
	r.expect(t, "put namespaces one", "synced")
	symlink(t, "two", link+".tmp")
	rename(t, link+".tmp", link)
	r.expect(t, "delete namespaces one\nput namespaces two")
	writeFile(t, filepath.Join(top, "two", "b.yaml"), namespace("more"))
	r.expect(t, "put namespaces more")
}

func TestSingleFile(t *testing.T) {
	dir := write(t, map[string]string{"policies": namespace("one"), "b.yaml": namespace("no")})
	path := filepath.Join(dir, "policies")
	_, r := start(t, dir, Options{Paths: []string{path}})
	r.expect(t, "put namespaces one", "synced")
	writeFile(t, path+".new", namespace("two"))
	rename(t, path+".new", path)
	r.expect(t, "delete namespaces one\nput namespaces two")
	remove(t, path)
	r.expect(t, "problems\npolicies: stat policies: no such file or directory; what was read before stays in force")
	writeFile(t, path, namespace("three"))
	r.expect(t, "delete namespaces two\nput namespaces three", "problems")
}

// Files that never rest are read all the same.
func TestNoRest(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": namespace("one")})
	_, r := start(t, dir, Options{Paths: []string{dir}, Quiet: 10 * time.Millisecond})
	r.expect(t, "put namespaces one", "synced")
	var stop atomic.Bool
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; !stop.Load() && i < 1_000_000; i++ {
			if err := os.WriteFile(filepath.Join(dir, "noise"), nil, 0o644); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	writeFile(t, filepath.Join(dir, "b.yaml"), namespace("two"))
	r.expect(t, "put namespaces two")
	if stop.Swap(true) {
		t.Fatal("the noise ended too early")
	}
	<-stopped
}

func TestGenerationsGrow(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": policy("podSelector: {}")})
	var s state
	var last int64
	uid := ""
	for _, spec := range []string{"podSelector: {}", "ingress: [{}]", "podSelector: {}"} {
		writeFile(t, filepath.Join(dir, "a.yaml"), policy(spec))
		events := s.update(readRoots([]string{dir}), nil)
		e := events[len(events)-1]
		if e.Resource != NetworkPolicies || e.Generation <= last || (uid != "" && e.UID != uid) {
			t.Errorf("%s: %s has generation %d after %d, UID %s after %s", spec, e.Resource, e.Generation, last, e.UID, uid)
		}
		last, uid = e.Generation, e.UID
	}
	if events := s.update(readRoots([]string{dir}), nil); len(events) != 0 {
		t.Errorf("nothing changed, and told was\n%s", names(events))
	}
}

func TestPod(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop, labels: {app: web}}\n"})
	m, r := start(t, dir, Options{Paths: []string{dir}, Quiet: time.Hour})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	pod, err := m.Pod(ctx, "shop", "a")
	if err != nil {
		t.Fatal(err)
	}
	pod.Labels["app"] = "mine now"
	if pod, err := m.Pod(ctx, "shop", "a"); err != nil || pod.Labels["app"] != "web" {
		t.Errorf("got %v, %v: the caller wrote into the source", pod, err)
	}
	r.expect(t, "put namespaces shop\nput pods shop/a", "synced")

	_, err = m.Pod(ctx, "shop", "b")
	want := "no manifest under " + dir + ` has a Pod shop/b that can be used: write it there, or see the list of problems, and try again: pods "b" not found`
	if err == nil || err.Error() != want || !apierrors.IsNotFound(err) {
		t.Errorf("got %v, want %s", err, want)
	}
	t.Log("a manifest that was written a moment ago is found before the quiet time is over")
	writeFile(t, filepath.Join(dir, "b.yaml"), "apiVersion: v1\nkind: Pod\nmetadata: {name: b, namespace: shop}\n")
	if pod, err := m.Pod(ctx, "shop", "b"); err != nil || pod.Name != "b" {
		t.Errorf("got %v, %v", pod, err)
	}
	r.expect(t, "put pods shop/b")
}

func TestPodBeforeRun(t *testing.T) {
	m, err := NewManifests(Options{Paths: []string{"/somewhere"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = m.Pod(ctx, "shop", "a")
	if want := "look up Pod shop/a: the manifests under /somewhere have not been read yet: context canceled"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestWatchMore(t *testing.T) {
	dir := write(t, map[string]string{"a.yaml": "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: w}\n"})
	m, r := start(t, dir, Options{Paths: []string{dir}})
	r.expect(t, "problems\na.yaml, document 1: Widget w: kind: unknown kind (apiVersion example.org/v1): Sluice itself reads Pod, Namespace, Node, Service, EndpointSlice and NetworkPolicy, and no module watches widgets.example.org: remove the document, or load the module that it is for", "synced")
	if err := m.Watch(context.Background(), "a module", []string{"widgets.example.org"}); err != nil {
		t.Fatal(err)
	}
	r.expect(t, "put widgets.example.org w", "problems")
	m.Unwatch("a module", []string{"widgets.example.org", "gadgets.example.org"})
	if err := m.lookNow(context.Background()); err != nil {
		t.Fatal(err)
	}
	m.Unwatch("a module", []string{"gadgets.example.org"})
	if err := m.lookNow(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := <-r.calls; got != "delete widgets.example.org w" {
		t.Errorf("got %s", got)
	}
}

func TestRunOnNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no")
	m, err := NewManifests(Options{Paths: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	err = m.Run(context.Background(), &recorder{})
	if want := "read manifests: stat " + path + ": no such file or directory: create it or correct the path"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
