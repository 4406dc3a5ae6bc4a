package build

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// agnhostNoSCTP builds agnhost with one change, in a copy of the few files that have to
// do with it: where the kernel has no SCTP, its porter listens to nothing instead of
// ending, and with it the Pod that also listens to TCP and UDP.
func (b *builder) agnhostNoSCTP(ctx context.Context) (string, error) {
	pins := filepath.Join(b.source, "tests", "cluster", "build", kubernetes)
	key, err := b.key(pins, []string{AgnhostNoSCTP})
	if err != nil {
		return "", err
	}
	source, err := moduleDir(ctx, pins, "k8s.io/kubernetes")
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.cache, "bin", key, AgnhostNoSCTP)
	return path, b.once(path, AgnhostNoSCTP, false, func(to string) error {
		dir, err := os.MkdirTemp("", "sluice-agnhost-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := copyAgnhost(filepath.Join(source, "test", "images", "agnhost"), pins, dir); err != nil {
			return err
		}
		_, err = goCommand(ctx, dir, "build", "-ldflags", "-s -w", "-o", to, ".")
		return err
	})
}

func copyAgnhost(source, pins, dir string) error {
	const module = "github.com/sluice-net/sluice/tests/cluster/build/kubernetes"
	for _, f := range []struct{ from, to, old, new string }{
		{filepath.Join(pins, "go.mod"), "go.mod", "", ""},
		{filepath.Join(pins, "go.sum"), "go.sum", "", ""},
		{filepath.Join(source, "agnhost.go"), "agnhost.go", `"k8s.io/kubernetes/test/images/agnhost/porter"`, `"` + module + `/porter"`},
		{filepath.Join(source, "porter", "porter.go"), "porter/porter.go", `log.Fatal("Failed to listen SCTP. error:", err)`, `log.Print("no SCTP: ", err); select {}`},
	} {
		text, err := os.ReadFile(f.from)
		if err != nil {
			return err
		}
		changed := string(text)
		if f.old != "" {
			if changed = strings.Replace(changed, f.old, f.new, 1); changed == string(text) {
				return fmt.Errorf("%s has no line with %s any more", f.from, f.old)
			}
		}
		to := filepath.Join(dir, f.to)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, []byte(changed), 0o644); err != nil {
			return err
		}
	}
	return nil
}
