// Package systemd has no code: it tests the files for systemd beside it.
package systemd

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/agent"
)

const unitFile = "sluice-agent.service"

// unit is the settings of a unit file: section, then name, to values.
func unit(t *testing.T) map[string]map[string][]string {
	t.Helper()
	f, err := os.Open(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sections := map[string]map[string][]string{}
	section := ""
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		name, value, isSetting := strings.Cut(line, "=")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			section = strings.Trim(line, "[]")
			sections[section] = map[string][]string{}
		case !isSetting || section == "":
			t.Fatalf("%s: neither a section nor a setting in one: %q", unitFile, line)
		default:
			sections[section][name] = append(sections[section][name], value)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return sections
}

// What other files and programs count on.
func TestSettings(t *testing.T) {
	sections := unit(t)
	for _, want := range []struct{ section, name, value string }{
		{"Unit", "Requires", "openvswitch-switch.service"},
		{"Unit", "After", "openvswitch-switch.service"},
		{"Service", "ExecStart", "/usr/local/bin/sluice-agent --config /etc/sluice/agent.yaml"},
		{"Service", "Restart", "always"},
		{"Service", "RuntimeDirectory", "sluice"},
		{"Service", "CapabilityBoundingSet", "CAP_NET_ADMIN"},
		{"Install", "WantedBy", "multi-user.target"},
	} {
		values := strings.Join(sections[want.section][want.name], " ")
		if !slices.Contains(strings.Fields(values), want.value) && values != want.value {
			t.Errorf("[%s] %s is %q, want %q", want.section, want.name, values, want.value)
		}
	}
	for _, name := range []string{"MemoryDenyWriteExecute", "RestrictNamespaces"} {
		if values := sections["Service"][name]; len(values) > 0 {
			t.Errorf("[Service] %s=%v breaks the sandboxes", name, values)
		}
	}
}

// systemd itself reads the unit, where there is one. The programs that the unit
// names need not be installed for this: stand-ins are.
func TestVerify(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not installed: TestSettings has read the unit's sections")
		return
	}
	text, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	const program = "/usr/local/bin/sluice-agent"
	stand := strings.Replace(string(text), program, "/bin/true", 1)
	if stand == string(text) {
		t.Fatalf("%s does not start %s", unitFile, program)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(unitFile, stand)
	write("openvswitch-switch.service", "[Service]\nType=oneshot\nExecStart=/bin/true\nRemainAfterExit=yes\n")
	command := exec.Command(analyze, "verify", "--man=no", filepath.Join(dir, unitFile))
	command.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
	output, err := command.CombinedOutput()
	if err != nil || len(output) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, output)
	}
}

// The agent takes the example as it is.
func TestExample(t *testing.T) {
	config, err := agent.LoadConfig("agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if config.Manifests != "/etc/sluice/manifests" || len(config.Modules) != 1 || config.Modules[0].Source.Builtin != agent.DefaultModule {
		t.Errorf("the example means %+v", config)
	}
}
