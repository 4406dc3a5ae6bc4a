package lab

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
)

// programs finds what `make build` made: in ../../bin, or where SLUICE_BIN
// says.
func programs(t *testing.T, policyFree bool) lab.Paths {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes network namespaces")
	}
	dir := os.Getenv("SLUICE_BIN")
	if dir == "" {
		dir = filepath.Join("..", "..", "bin")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	paths := lab.PathsIn(dir)
	err = paths.Check(policyFree)
	if _, missing := os.Stat(paths.Ctl); err == nil && !policyFree {
		err = missing
	}
	if err != nil {
		t.Fatalf("run `make build` first: %v", err)
	}
	return paths
}

// start starts a lab that ends with the test.
func start(t *testing.T, options lab.Options) *lab.Lab {
	t.Helper()
	options.Binaries = programs(t, options.PolicyFree)
	options.Progress = func(line string) { t.Log(line) }
	l, err := lab.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}
