package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/host/keep"
)

func TestPruneConfigMaps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "configmaps")
	if err := pruneConfigMaps(dir, nil); err != nil {
		t.Errorf("without any copy: %v", err)
	}
	wanted, gone, fresh := strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64)
	for _, digest := range []string{wanted, gone, fresh} {
		path := filepath.Join(dir, digest)
		if err := keep.Write(path, []byte("module")); err != nil {
			t.Fatal(err)
		}
		if old := time.Now().Add(-2 * copiesEvery); digest != fresh {
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := pruneConfigMaps(dir, []string{"sha256:" + wanted}); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 || left[0].Name() != wanted || left[1].Name() != fresh {
		t.Errorf("left are %v (%v)", left, err)
	}
}
