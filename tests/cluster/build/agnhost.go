package build

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// agnhostSCTP builds agnhost as it is, but for the module by which it asks the kernel for
// SCTP: in its place is package sctp, which does without.
func (b *builder) agnhostSCTP(ctx context.Context) (string, error) {
	const module = "github.com/ishidawataru/sctp"
	pins := filepath.Join(b.source, "tests", "cluster", "build", kubernetes)
	sources, err := filepath.Glob(filepath.Join(b.source, "tests", "cluster", "sctp", "*.go"))
	if err != nil {
		return "", err
	}
	texts := map[string][]byte{"go.mod": []byte("module " + module + "\n\ngo 1.26.0\n")}
	args := []string{AgnhostSCTP}
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		text, err := os.ReadFile(source)
		if err != nil {
			return "", err
		}
		texts[filepath.Base(source)] = text
		args = append(args, string(text))
	}
	key, err := b.key(pins, args)
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.cache, "bin", key, AgnhostSCTP)
	return path, b.once(path, AgnhostSCTP, false, func(to string) error {
		dir, err := os.MkdirTemp("", "sluice-agnhost-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		for name, text := range texts {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				return err
			}
		}
		modules := filepath.Join(dir, "modules")
		if err := replaced(pins, modules, fmt.Sprintf("\nreplace %s => %s\n", module, dir)); err != nil {
			return err
		}
		_, err = goCommand(ctx, pins, "build", "-modfile", filepath.Join(modules, "go.mod"), "-ldflags", "-s -w", "-o", to, "k8s.io/kubernetes/test/images/agnhost")
		return err
	})
}

// replaced copies pins to a directory, with one more line.
func replaced(pins, to, line string) error {
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	for name, more := range map[string]string{"go.mod": line, "go.sum": ""} {
		text, err := os.ReadFile(filepath.Join(pins, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), append(text, more...), 0o644); err != nil {
			return err
		}
	}
	return nil
}
