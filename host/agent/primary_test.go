package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/hostnet"
	"github.com/sluice-net/sluice/host/primary"
	"github.com/sluice-net/sluice/tests/nettest"
)

// The profile follows the CNI configuration while no Pod shows another, and is
// never asked for where it is set.
func TestProfileOfThePrimary(t *testing.T) {
	host, err := hostnet.At(nettest.Path(newNS(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	dir := t.TempDir()
	write := func(kind string) {
		text := `{"cniVersion":"0.4.0","name":"n","plugins":[{"type":"` + kind + `"},{"type":"portmap"}]}`
		if err := os.WriteFile(filepath.Join(dir, "10-primary.conflist"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := CNIConfig{ConfDir: dir}
	config.complete(true)
	c := newChooser(config, host, slog.New(slog.DiscardHandler))
	is := func(c *chooser, name, because string) {
		t.Helper()
		c.mu.Lock()
		c.look()
		c.mu.Unlock()
		if s := c.status(); c.profile().Name != name || s.Profile != name || !strings.Contains(s.Because, because) || s.Problem != "" {
			t.Errorf("profile %s, %+v; want %s because of %q", c.profile().Name, s, name, because)
		}
	}
	is(c, primary.PTP, "nothing")
	write("aws-cni")
	is(c, primary.EKS, "aws-cni")
	write("azure-vnet")
	is(c, primary.AzureTransparent, "azure-vnet")
	if err := os.WriteFile(filepath.Join(dir, "10-primary.conflist"), []byte(`{"cniVers`), 0o600); err != nil {
		t.Fatal(err)
	}
	is(c, primary.AzureTransparent, "azure-vnet")
	if err := os.Remove(filepath.Join(dir, "10-primary.conflist")); err != nil {
		t.Fatal(err)
	}
	is(c, primary.PTP, "nothing")
	config.Profile = primary.EKS
	is(newChooser(config, host, slog.New(slog.DiscardHandler)), primary.EKS, "cni.profile")
}

func TestProfileInTheConfiguration(t *testing.T) {
	for profile, want := range map[string]string{
		"": "auto", "auto": "auto", "ptp": "ptp", "eks": "eks", "azure-transparent": "azure-transparent", "calico": `cni.profile is "calico"`,
	} {
		c := Config{Manifests: t.TempDir(), NodeName: "n", CNI: CNIConfig{Profile: profile}}
		got := ""
		if err := c.complete(); err != nil {
			got = err.Error()
		} else {
			got = c.CNI.Profile
		}
		if !strings.Contains(got, want) {
			t.Errorf("cni.profile %q: %q, want %q", profile, got, want)
		}
	}
}
