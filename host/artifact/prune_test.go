package artifact

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tests/registrytest"
)

// What nobody uses goes from the cache; what is kept is still whole without the
// registry, its signature included.
func TestPrune(t *testing.T) {
	address, stop := registrytest.Start(t)
	cache := t.TempDir()
	if err := Prune(filepath.Join(cache, "never-made"), nil); err != nil {
		t.Errorf("a cache that was never made: %v", err)
	}
	type source struct {
		pushed Pushed
		o      Options
	}
	var all []source
	for _, version := range []string{"1", "2", "3"} {
		s := source{pushed: push(t, wasm(t, version), address+"/team/web:"+version)}
		s.o = Options{Access: plain, CacheDir: cache, PublicKey: signIn(t, s.pushed.Ref)}
		if _, _, err := Fetch(context.Background(), s.pushed.Ref.String(), s.o); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	stop()
	cached := func(s source) bool {
		_, _, err := Fetch(context.Background(), s.pushed.Ref.String(), s.o)
		return err == nil
	}
	if err := Prune(cache, nil); err != nil || !cached(all[0]) {
		t.Errorf("what was used a moment ago is gone (%v)", err)
	}
	age := func() {
		old := time.Now().Add(-2 * pruneAge)
		err := filepath.WalkDir(cache, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Chtimes(path, old, old)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	age()
	// One is named by its file, one by its artifact.
	if err := Prune(cache, []string{all[0].pushed.Digest, string(all[1].pushed.Ref.digest)}); err != nil {
		t.Fatal(err)
	}
	if !cached(all[0]) || !cached(all[1]) || cached(all[2]) {
		t.Errorf("cached are %v, %v, %v; want the first two", cached(all[0]), cached(all[1]), cached(all[2]))
	}
	age()
	if err := Prune(cache, nil); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"blobs", "tags"} {
		if left, err := os.ReadDir(filepath.Join(cache, sub)); err != nil || len(left) > 0 {
			t.Errorf("%s are left of a cache of which nothing is kept: %v, %v", sub, left, err)
		}
	}
}
