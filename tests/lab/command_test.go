package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/tests/labtest"
)

// run runs `lab` with arguments.
func run(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	var out, progress bytes.Buffer
	command := lab.Command()
	command.SilenceErrors, command.SilenceUsage = true, true
	command.SetOut(&out)
	command.SetErr(&progress)
	command.SetArgs(args)
	err = command.ExecuteContext(ctx)
	return out.String(), progress.String(), err
}

func TestCommandExitCodes(t *testing.T) {
	paths := labtest.Programs(t, true)
	bin := filepath.Dir(paths.PluginDir)
	good := labtest.File(t, "pods.yaml", twoNodes)
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"unreadable manifests", []string{"--manifests", "/nowhere", "--bin-dir", bin}, lab.ExitOther, "/nowhere"},
		{"a Pod that is none", []string{"--manifests", labtest.File(t, "bad.yaml", "apiVersion: v1\nkind: Pod\nspec: 7\n"), "--bin-dir", bin}, lab.ExitOther, "document 1"},
		{"an unknown output", []string{"--manifests", good, "-o", "xml", "--bin-dir", bin}, lab.ExitOther, "xml"},
		{"a port that is none", []string{"--manifests", good, "--listen", "x", "--bin-dir", bin}, lab.ExitOther, "no port number"},
		{"no programs", []string{"--manifests", good, "--bin-dir", "/nowhere"}, lab.ExitNotBuilt, "make build"},
		{"a datapath that is none", []string{"--manifests", good, "--datapath", "x", "--without-sluice", "--bin-dir", bin}, lab.ExitNotBuilt, `choose "netdev"`},
		{"a module that is not there", []string{"--manifests", good, "--module", "/nowhere.wasm", "--without-sluice", "--bin-dir", bin}, lab.ExitNotBuilt, "/nowhere.wasm"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stdout, _, err := run(t.Context(), append([]string{"run"}, test.args...)...)
			var exit *lab.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != test.code || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with code %d and %q", err, test.code, test.want)
			}
			if stdout != "" {
				t.Errorf("printed %q", stdout)
			}
		})
	}
	if _, _, err := run(t.Context(), "run"); err == nil || !strings.Contains(err.Error(), "manifests") {
		t.Errorf("without --manifests: %v", err)
	}
}

func TestCommandPrintsTheMatrix(t *testing.T) {
	t.Parallel()
	bin := filepath.Dir(labtest.Programs(t, true).PluginDir)
	good := labtest.File(t, "pods.yaml", twoNodes)
	stdout, stderr, err := run(t.Context(), "run", "--manifests", good, "--without-sluice", "--probe", "-o", "json", "--listen", "443", "--bin-dir", bin)
	if err != nil {
		t.Fatal(err)
	}
	var matrix lab.Matrix
	if err := json.Unmarshal([]byte(stdout), &matrix); err != nil {
		t.Fatal(err)
	}
	connected, refused := matrix.Counts()
	listened := 0
	for _, probe := range matrix.Probes {
		if probe.Port == 443 {
			listened++
		}
	}
	if connected == 0 || refused != 0 || len(matrix.Nodes) != 2 || listened != 2*3*6 {
		t.Errorf("%d connected, %d refused, %d nodes, %d probes of port 443", connected, refused, len(matrix.Nodes), listened)
	}
	if stderr != "" {
		t.Errorf("in a pipe there is no progress, but: %q", stderr)
	}
	stdout, _, err = run(t.Context(), "run", "--manifests", good, "--without-sluice", "--probe", "--bin-dir", bin)
	if err != nil || !strings.Contains(stdout, "shop/a") || !strings.Contains(stdout, "probes:") {
		t.Errorf("the table (%v):\n%s", err, stdout)
	}
}

// --keep stays until the context ends, which is what Ctrl-C does, and then ends
// well.
func TestCommandKeeps(t *testing.T) {
	t.Parallel()
	bin := filepath.Dir(labtest.Programs(t, true).PluginDir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan string, 1)
	command := lab.Command()
	command.SetOut(&bytes.Buffer{})
	var text bytes.Buffer
	command.SetErr(writerFunc(func(more []byte) {
		text.Write(more)
		if strings.Contains(text.String(), lab.External) {
			select {
			case told <- text.String():
			default:
			}
		}
	}))
	command.SetArgs([]string{"run", "--manifests", labtest.File(t, "pods.yaml", twoNodes), "--without-sluice", "--keep", "--bin-dir", bin})
	ended := make(chan error, 1)
	go func() { ended <- command.ExecuteContext(ctx) }()
	select {
	case err := <-ended:
		t.Fatalf("ended by itself: %v", err)
	case said := <-told:
		for _, want := range []string{"stays until Ctrl-C", "node east", "pod  shop/c", "nsenter --net="} {
			if !strings.Contains(said, want) {
				t.Errorf("no %q in:\n%s", want, said)
			}
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("ended before it was told to: %v", err)
	default:
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
