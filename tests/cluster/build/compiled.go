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
	return moduleDir(ctx, filepath.Join(repository, "tests", "cluster", "build", kubernetes), "k8s.io/kubernetes")
}

// PolicyAPIDir is where network-policy-api has been unpacked, with its manifests.
func PolicyAPIDir(ctx context.Context) (string, error) {
	repository, err := Repository()
	if err != nil {
		return "", err
	}
	return moduleDir(ctx, repository, "sigs.k8s.io/network-policy-api")
}

// moduleDir downloads a module, if it is not there, as the go.mod in a directory pins it.
func moduleDir(ctx context.Context, pins, module string) (string, error) {
	if _, err := goCommand(ctx, pins, "mod", "download", module); err != nil {
		return "", err
	}
	return goCommand(ctx, pins, "list", "-m", "-f", "{{.Dir}}", module)
}

// compiled makes a static program of a C file, without a C library of the image's.
func (b *builder) compiled(ctx context.Context, p program, name, pins string) (string, error) {
	args := []string{"-Os", "-static", "-s", "-DVERSION=test"}
	key, err := b.key(pins, args)
	if err != nil {
		return "", err
	}
	source, err := moduleDir(ctx, pins, "k8s.io/kubernetes")
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
