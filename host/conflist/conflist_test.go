package conflist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/libcni"
)

const ptp = `{"cniVersion":"1.0.0","name":"podnet","disableCheck":true,"plugins":[{"type":"ptp","mtu":9000,"ipam":{"type":"host-local","x":"<&>"}},{"type":"portmap","capabilities":{"portMappings":true}}]}`

// The lists that the projects of the clouds' plugins ship (amazon-vpc-cni-k8s, misc/10-aws.conflist; azure-container-networking,
// cni/azure-linux.conflist), as far as it matters here.
const (
	aws = `{"cniVersion":"0.4.0","name":"aws-cni","disableCheck":true,"plugins":[{"name":"aws-cni","type":"aws-cni","vethPrefix":"eni","mtu":"9001"},
		{"name":"egress-cni","type":"egress-cni","enabled":"false"},{"type":"portmap","capabilities":{"portMappings":true},"snat":true}]}`
	azure = `{"cniVersion":"0.3.0","name":"azure","plugins":[{"type":"azure-vnet","mode":"transparent","ipsToRouteViaHost":["169.254.20.10"],"ipam":{"type":"azure-vnet-ipam"}},
		{"type":"portmap","capabilities":{"portMappings":true},"snat":true}]}`
)

func newInstaller(t *testing.T) (*Installer, string) {
	t.Helper()
	dir := t.TempDir()
	i, err := New(Options{Dir: dir, Socket: "/run/x.sock", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return i, dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

// chosen is the list that a runtime takes, and the types of its plugins.
func chosen(t *testing.T, dir string) (file string, list *libcni.NetworkConfigList) {
	t.Helper()
	files, err := libcni.ConfFiles(dir, extensions)
	if err != nil || len(files) == 0 {
		return "", nil
	}
	if filepath.Ext(files[0]) == ".conf" {
		return filepath.Base(files[0]), nil
	}
	list, err = libcni.ConfListFromFile(files[0])
	if err != nil {
		t.Fatalf("the first file %s cannot be read: %v", files[0], err)
	}
	return filepath.Base(files[0]), list
}

func types(list *libcni.NetworkConfigList) (all []string) {
	for _, p := range list.Plugins {
		all = append(all, p.Network.Type)
	}
	return all
}

func TestChainsBehindWhatTheRuntimeWouldTake(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // name of the network, and types
	}{
		{"a list", map[string]string{"10-a.conflist": ptp, "20-b.conflist": strings.Replace(ptp, "podnet", "other", 1)}, "podnet [ptp portmap sluice-cni]"},
		{"a single plugin", map[string]string{"10-a.conf": `{"cniVersion":"0.4.0","name":"one","type":"ptp"}`}, "one [ptp sluice-cni]"},
		{"an unreadable one before it", map[string]string{"07-x.conf": "{", "10-a.json": ptp}, "podnet [ptp portmap sluice-cni]"},
		{"as EKS has it", map[string]string{"10-aws.conflist": aws}, "aws-cni [aws-cni egress-cni portmap sluice-cni]"},
		{"as AKS has it", map[string]string{"10-azure.conflist": azure}, "azure [azure-vnet portmap sluice-cni]"},
		{"other files", map[string]string{"06-readme.txt": "x", "10-a.conflist": ptp, "10-a.conflist.bak": "x"}, "podnet [ptp portmap sluice-cni]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, dir := newInstaller(t)
			for name, text := range c.files {
				write(t, dir, name, text)
			}
			if installed, err := i.Install(); err != nil || !installed {
				t.Fatalf("installed: %v, %v", installed, err)
			}
			file, list := chosen(t, dir)
			if got := fmt.Sprint(list.Name, " ", types(list)); file != DefaultFile || got != c.want {
				t.Errorf("%s: %s, want %s", file, got, c.want)
			}
			for name, text := range c.files {
				if have, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(have) != text {
					t.Errorf("%s is now %q, %v", name, have, err)
				}
			}
			if err := i.Remove(); err != nil {
				t.Fatal(err)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != len(c.files) {
				t.Errorf("after Remove: %v, %v", entries, err)
			}
		})
	}
}

func TestEverythingOfThePrimaryIsKept(t *testing.T) {
	i, dir := newInstaller(t)
	write(t, dir, "10-a.conflist", ptp)
	if _, err := i.Install(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, DefaultFile))
	if err != nil {
		t.Fatal(err)
	}
	var got, want map[string]any
	if err := errors.Join(json.Unmarshal(text, &got), json.Unmarshal([]byte(ptp), &want)); err != nil {
		t.Fatal(err)
	}
	if got[markKey] != "10-a.conflist" {
		t.Errorf("it says that it is of %v", got[markKey])
	}
	delete(got, markKey)
	plugins := got["plugins"].([]any)
	if s := fmt.Sprint(plugins[len(plugins)-1]); s != "map[socket:/run/x.sock type:sluice-cni]" {
		t.Errorf("the last plugin is %s", s)
	}
	got["plugins"] = plugins[:len(plugins)-1]
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	info, err := os.Stat(filepath.Join(dir, DefaultFile))
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("permissions %v, %v; want those of the primary's", info.Mode(), err)
	}
}

func TestRefusesWhatCannotBeChained(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"bridge", "10-a.conflist", `{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"bridge"}]}`, "behind the plugin bridge"},
		{"ipvlan", "10-a.conf", `{"cniVersion":"1.0.0","name":"n","type":"ipvlan"}`, "behind the plugin ipvlan"},
		{"macvlan", "10-a.conflist", `{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"macvlan"},{"type":"tuning"}]}`, "behind the plugin macvlan"},
		{"a mode with a bridge", "10-a.conflist", `{"cniVersion":"0.3.0","name":"n","plugins":[{"type":"azure-vnet","mode":"bridge"}]}`, `azure-vnet is in the mode "bridge"`},
		{"a bridge by itself", "10-a.conflist", `{"cniVersion":"0.3.0","name":"n","plugins":[{"type":"azure-vnet"}]}`, `azure-vnet is in the mode ""`},
		{"chained by hand", "10-a.conflist", `{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"ptp"},{"type":"sluice-cni"}]}`, "has sluice-cni in it already"},
		{"old version", "10-a.conflist", `{"cniVersion":"0.2.0","name":"n","plugins":[{"type":"ptp"}]}`, `cniVersion is "0.2.0"`},
		{"no version", "10-a.conflist", `{"name":"n","plugins":[{"type":"ptp"}]}`, `cniVersion is ""`},
		{"sorts first", "00-a.conflist", ptp, "sorts before"},
		{"somebody else's file", DefaultFile, ptp, "not written by Sluice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, dir := newInstaller(t)
			write(t, dir, "10-a.conflist", ptp)
			if c.file != DefaultFile {
				if _, err := i.Install(); err != nil { // there is one of ours, which must go
					t.Fatal(err)
				}
				if c.file != "10-a.conflist" {
					if err := os.Remove(filepath.Join(dir, "10-a.conflist")); err != nil {
						t.Fatal(err)
					}
				}
			}
			write(t, dir, c.file, c.text)
			_, err := i.Install()
			var refused *Refused
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) || refused.Remedy == "" || !strings.Contains(err.Error(), c.file) {
				t.Fatalf("got %v, want a refusal with %q", err, c.want)
			}
			have, err := os.ReadFile(filepath.Join(dir, c.file))
			if err != nil || string(have) != c.text {
				t.Errorf("%s is now %q, %v", c.file, have, err)
			}
			if c.name == "sorts first" {
				return // ours stays: what it was made of is what it was
			}
			if file, _ := chosen(t, dir); file != c.file {
				t.Errorf("the runtime takes %s", file)
			}
			if err := i.Remove(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(dir, c.file)); err != nil {
				t.Error(err)
			}
		})
	}
}

// A runtime that looks all the time never sees a list that it cannot read, nor Pods' own primary without Sluice, while the
// primary's file is rewritten in pieces, ours is damaged, and so on.
func TestKeepsTheListWhilePrimariesAreRewritten(t *testing.T) {
	i, dir := newInstaller(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	write(t, dir, "10-a.conflist", ptp)
	go func() { done <- i.Run(ctx) }()
	network := func() string {
		text, err := os.ReadFile(filepath.Join(dir, DefaultFile))
		if err != nil {
			return ""
		}
		list, err := libcni.NetworkConfFromBytes(text)
		if err != nil {
			t.Errorf("a runtime sees %q: %v", text, err)
			return ""
		}
		return fmt.Sprint(list.Name, " ", types(list))
	}
	becomes := func(what, want string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); network() != want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: the list is %q, want %q", what, network(), want)
			}
		}
	}
	becomes("started", "podnet [ptp portmap sluice-cni]")
	for n := range 5 {
		name := fmt.Sprintf("net%d", n)
		next := strings.Replace(ptp, "podnet", name, 1)
		write(t, dir, "10-a.conflist", next[:len(next)/2]) // as a program does that writes in pieces
		write(t, dir, "20-other.conflist", strings.Replace(ptp, "podnet", "other", 1))
		for until := time.Now().Add(3 * settle); time.Now().Before(until); {
			if got := network(); !strings.HasSuffix(got, "[ptp portmap sluice-cni]") || strings.HasPrefix(got, "other") {
				t.Fatalf("while the primary's is half-written: %q", got)
			}
		}
		write(t, dir, "10-a.conflist", next)
		becomes("rewritten", name+" [ptp portmap sluice-cni]")
	}
	if err := os.Remove(filepath.Join(dir, DefaultFile)); err != nil {
		t.Fatal(err)
	}
	becomes("ours deleted", "net4 [ptp portmap sluice-cni]")
	if err := os.Rename(filepath.Join(dir, "10-a.conflist"), filepath.Join(dir, "x")); err != nil {
		t.Fatal(err)
	}
	becomes("the primary's deleted", "other [ptp portmap sluice-cni]")
	if err := os.Remove(filepath.Join(dir, "20-other.conflist")); err != nil {
		t.Fatal(err)
	}
	becomes("no primary", "")
	if err := os.Rename(filepath.Join(dir, "x"), filepath.Join(dir, "10-a.conflist")); err != nil {
		t.Fatal(err)
	}
	becomes("a primary again", "net4 [ptp portmap sluice-cni]")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	becomes("stopped", "net4 [ptp portmap sluice-cni]")
}

func TestInstallBinary(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "new", "program")
	to := filepath.Join(dir, "bin")
	for range 2 {
		if err := InstallBinary(filepath.Join(dir, "new"), to); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(to, Plugin))
		if err != nil || info.Mode().Perm() != 0o755 {
			t.Fatalf("%v, %v", info, err)
		}
	}
	if entries, err := os.ReadDir(to); err != nil || len(entries) != 1 {
		t.Errorf("left in the directory: %v, %v", entries, err)
	}
}

func TestPluginsOfThePrimary(t *testing.T) {
	i, dir := newInstaller(t)
	if types, err := Plugins(dir, ""); err != nil || len(types) != 0 {
		t.Errorf("of an empty directory: %q, %v", types, err)
	}
	write(t, dir, "10-aws.conflist", aws)
	if _, err := i.Install(); err != nil {
		t.Fatal(err)
	}
	if types, err := Plugins(dir, ""); err != nil || fmt.Sprint(types) != "[aws-cni egress-cni portmap]" {
		t.Errorf("beside ours: %q, %v", types, err)
	}
	write(t, dir, "10-aws.conflist", "{")
	if types, err := Plugins(dir, ""); err == nil {
		t.Errorf("of a half-written list: %q", types)
	}
}
