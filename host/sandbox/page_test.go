package sandbox_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSandboxPage: every test that SANDBOX.md names is there.
func TestSandboxPage(t *testing.T) {
	page, err := os.ReadFile("SANDBOX.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, root := range []string{"..", filepath.Join("..", "..", "tests")} {
		err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(source, -1) {
				tests[string(found[1])] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(page, -1)
	if len(named) < 20 {
		t.Errorf("the page names %d tests", len(named))
	}
	for _, name := range named {
		if !tests[string(name[1])] {
			t.Errorf("SANDBOX.md names %s, which does not exist", name[1])
		}
	}
	// A line without a test is a claim.
	for line := range bytes.Lines(page) {
		if bytes.HasPrefix(line, []byte("| ")) && !bytes.Contains(line, []byte("`Test")) && !bytes.Contains(line, []byte("| test")) && !bytes.Contains(line, []byte("---")) {
			t.Errorf("no test holds this line: %s", line)
		}
	}
}
