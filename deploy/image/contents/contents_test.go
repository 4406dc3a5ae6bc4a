package contents

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Both ways of making an image put the same of our files at the same places.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Mkdir(filepath.Join(bin, "modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "modules", "m.wasm"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	sluice, err := Sluice("sluice:dev", bin)
	if err != nil {
		t.Fatal(err)
	}
	openvswitch, err := OpenVSwitch("openvswitch:dev", "../../openvswitch")
	if err != nil {
		t.Fatal(err)
	}
	ours := 0
	for _, file := range append(sluice.Files, openvswitch.Files...) {
		to := file.Path
		switch {
		case strings.HasPrefix(to, "/usr/local/bin/"):
		case strings.HasPrefix(to, "/usr/share/sluice/modules/"):
			to = filepath.Dir(to) + "/"
		default:
			continue
		}
		ours++
		if !strings.Contains(string(text), " "+to+"\n") {
			t.Errorf("the Dockerfile puts nothing at %s", to)
		}
	}
	if copies := strings.Count(string(text), "\nCOPY ") - 2; copies != ours { // two of them are the source
		t.Errorf("the Dockerfile copies %d times, and %d files are ours", copies, ours)
	}
	last := openvswitch.Files[len(openvswitch.Files)-1]
	if info, err := os.Stat(last.Source); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("%s can not be run: %v", last.Source, err)
	}
}
