package labtest

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
)

// Bin is where `make build` put the programs: bin at the top of the checkout, or
// where SLUICE_BIN says.
func Bin(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("SLUICE_BIN")
	if dir == "" {
		dir = filepath.Join("..", "..", "bin")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Module is the file of a module, as built.
func Module(t testing.TB, name string) string {
	t.Helper()
	file := filepath.Join(Bin(t), "modules", name+".wasm")
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("run `make build` first: %v", err)
	}
	return file
}

// Programs are those in Bin. Without root, or one of them, the test ends here.
func Programs(t testing.TB, policyFree bool) lab.Paths {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes network namespaces")
	}
	paths := lab.PathsIn(Bin(t))
	err := paths.Check(policyFree)
	if _, missing := os.Stat(paths.Ctl); err == nil && !policyFree {
		err = missing
	}
	if err != nil {
		t.Fatalf("run `make build` first: %v", err)
	}
	return paths
}

// File writes what a test needs as a file, which goes with the test.
func File(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Start starts a lab that ends with the test. What it does on its way goes to the
// test's output, unless the options say where else.
func Start(t testing.TB, options lab.Options) *lab.Lab {
	t.Helper()
	options.Binaries = Programs(t, options.PolicyFree)
	if options.Progress == nil {
		options.Progress = func(line string) { t.Log(line) }
	}
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

// Ctl asks a node's agent by sluicectl and returns what that printed.
func Ctl(t testing.TB, l *lab.Lab, node string, args ...string) string {
	t.Helper()
	args = append(args, "--socket", l.Agent(node).AdminSocket())
	out, err := exec.CommandContext(t.Context(), lab.PathsIn(Bin(t)).Ctl, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("sluicectl %v: %v: %s", args, err, out)
	}
	return string(out)
}

// Address is the one that an end has in a family: a Pod, lab.External, or
// lab.Host:NODE.
func Address(t testing.TB, l *lab.Lab, end string, v6 bool) netip.Addr {
	t.Helper()
	for _, address := range addresses(l.Plan(), end) {
		if address.Is6() == v6 {
			return address
		}
	}
	t.Fatalf("%s has no address (IPv6: %v)", end, v6)
	return netip.Addr{}
}

func addresses(plan *lab.Plan, end string) []netip.Addr {
	if end == lab.External {
		return plan.External
	}
	if name, ok := strings.CutPrefix(end, lab.Host+":"); ok {
		node, _ := plan.Node(name)
		return node.Addresses
	}
	for _, pod := range plan.Pods {
		if pod.Key() == end {
			return pod.Addresses
		}
	}
	return nil
}
