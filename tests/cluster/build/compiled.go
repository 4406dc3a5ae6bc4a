package build

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// ModuleDir is where the source of Kubernetes, as it is pinned, has been unpacked.
func ModuleDir(ctx context.Context) (string, error) {
	repository, err := Repository()
	if err != nil {
		return "", err
	}
	return kubernetesDir(ctx, filepath.Join(repository, "tests", "cluster", "build", kubernetes))
}

func kubernetesDir(ctx context.Context, pins string) (string, error) {
	return goCommand(ctx, pins, "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes")
}

// compiled makes a static program of a C file, without a C library of the image's.
func (b *builder) compiled(ctx context.Context, p program, name, pins string) (string, error) {
	args := []string{"-Os", "-static", "-s", "-DVERSION=test"}
	key, err := b.key(pins, args)
	if err != nil {
		return "", err
	}
	source, err := kubernetesDir(ctx, pins)
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.cache, "bin", key, name)
	return path, b.once(path, name, false, func(to string) error {
		out, err := exec.CommandContext(ctx, "gcc", append(args, "-o", to, filepath.Join(source, p.pkg))...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("gcc: %w\n%s", err, out)
		}
		return nil
	})
}
