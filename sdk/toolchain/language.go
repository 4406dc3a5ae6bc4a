package toolchain

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Language is what a module is written in.
type Language string

// The languages.
const (
	Go             Language = "go"
	Rust           Language = "rust"
	C              Language = "c"
	AssemblyScript Language = "assemblyscript"
)

// Languages are all of them, in the order of this list.
func Languages() []Language { return []Language{Go, Rust, C, AssemblyScript} }

// entry is the file by which a module's language is known.
func (l Language) entry() string {
	switch l {
	case Go:
		return "main.go"
	case Rust:
		return "Cargo.toml"
	case C:
		return "main.c"
	default:
		return filepath.Join("assembly", "index.ts")
	}
}

// Of says what the module in this folder is written in.
func Of(dir string) (Language, error) {
	var known []string
	for _, l := range Languages() {
		if _, err := os.Stat(filepath.Join(dir, l.entry())); err == nil {
			return l, nil
		}
		known = append(known, l.entry())
	}
	return "", fmt.Errorf("%s is no folder of a module: it has none of %s", dir, strings.Join(known, ", "))
}

// MissingError says which programs a language needs that are not on this machine.
type MissingError struct {
	Language Language
	Missing  []string // programs and libraries, in words
	Get      string   // a command that brings them
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("modules in %s cannot be built here: %s missing; get it with: %s",
		e.Language, strings.Join(e.Missing, " and "), e.Get)
}
