package linked

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What is found is enough: the programs run where there is nothing but their files.
func TestPrograms(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may change the root directory")
	}
	files, err := Programs("cat", "sort")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	there := map[string]bool{}
	for _, file := range files {
		if there[file.Path] {
			t.Errorf("%s is there twice", file.Path)
		}
		there[file.Path] = true
		content, err := os.ReadFile(file.Source)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(root, file.Path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, file.Mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range []string{"cat", "sort"} {
		command := exec.Command("/usr/bin/" + program)
		command.SysProcAttr = &unix.SysProcAttr{Chroot: root}
		command.Dir = "/"
		command.Stdin = strings.NewReader("it runs\n")
		if out, err := command.CombinedOutput(); err != nil || string(out) != "it runs\n" {
			t.Errorf("%s: %v: %s", program, err, out)
		}
	}
}

func TestMissingProgram(t *testing.T) {
	if _, err := Programs("no-such-program"); err == nil || !strings.Contains(err.Error(), "no-such-program") {
		t.Errorf("got %v", err)
	}
}
