package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), File)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheck(t *testing.T) {
	e, err := Read(write(t, `
# the first line that fits decides
shop/web -> shop/db 5432/TCP allow
* -> shop/db 5432/TCP deny v4
* -> shop/db * any
* -> external 443/TCP allow
other/* -> shop/x 1/UDP allow
`))
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Ports("external"); len(got) != 1 || got[0] != "443/TCP" {
		t.Errorf("ports of external: %v", got)
	}
	probes := []Probe{
		{From: "shop/web", To: "shop/db", Address: "10.0.0.1", Protocol: "TCP", Port: 5432, Connected: true},
		{From: "shop/x", To: "shop/db", Address: "fd00::1", Protocol: "TCP", Port: 5432, Connected: true},
		{From: "shop/x", To: "shop/db", Address: "10.0.0.1", Protocol: "TCP", Port: 5432, Connected: true},
		{From: "shop/x", To: "external", Address: "10.9.0.1", Protocol: "TCP", Port: 443},
	}
	var text []string
	for _, f := range e.Check(probes, nil) {
		text = append(text, f.Text)
	}
	got := strings.Join(text, "\n")
	for _, want := range []string{"shop/x -> shop/db 10.0.0.1 5432/TCP is allow", "external 10.9.0.1 443/TCP is deny", ":7 fits no probe"} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q in\n%s", want, got)
		}
	}
	if len(text) != 3 {
		t.Errorf("%d faults, want 3:\n%s", len(text), got)
	}
	denied := probes[2]
	denied.Connected = false
	if faults := e.Check(append(probes[:2:2], denied), []Probe{{To: "external", Protocol: "TCP", Port: 443}, {To: "shop/x", Protocol: "UDP", Port: 1}}); len(faults) != 0 {
		t.Errorf("skipped lines count as mistakes: %v", faults)
	}
}

func TestReadFaults(t *testing.T) {
	for text, fault := range map[string]string{
		"a b":                     ":1: want FROM",
		"\na -> b 80/TCP perhaps": `:2: outcome "perhaps"`,
		"a -> b * allow v5":       `family "v5"`,
	} {
		if _, err := Read(write(t, text)); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%q: %v, want %q", text, err, fault)
		}
	}
}
