package abi

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"
)

// TestReadmeExample holds the bytes of the worked example against the golden
// vectors that protoc made.
func TestReadmeExample(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), "```hex\n")
	if len(parts) != 3 {
		t.Fatalf("README.md has %d blocks of hex, want 2", len(parts)-1)
	}
	for i, name := range []string{"batch-readme", "requests-readme"} {
		block, _, _ := strings.Cut(parts[i+1], "```")
		var got []byte
		for line := range strings.Lines(block) {
			digits, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
			b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			got = append(got, b...)
		}
		want, err := os.ReadFile("testdata/golden/" + name + ".bin")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("README.md shows\n%x\n%s.bin is\n%x", got, name, want)
		}
	}
}
