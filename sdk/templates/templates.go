// Package templates holds the beginnings of policy modules, one folder for each
// language, that `sluicectl module new` writes. A file is a text/template with
// the ending .tmpl, which the written file does not have; {{.Name}} is the
// module's name.
package templates

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/sluice-net/sluice/sdk"
	"github.com/sluice-net/sluice/sdk/toolchain"
)

//go:embed all:go all:c all:rust all:assemblyscript
var files embed.FS

// Values of a template.
type Values struct {
	Name string
	// SDK is a folder with Sluice's source, which modules in Go are built against.
	// The other languages do without.
	SDK string
}

// Languages are those that have a template.
func Languages() []toolchain.Language {
	return slices.DeleteFunc(toolchain.Languages(), func(l toolchain.Language) bool {
		_, err := files.ReadDir(string(l))
		return err != nil
	})
}

// Write writes a new module into a folder that does not exist or is empty, and
// returns the names of its files. In languages other than Go the folder gets a
// copy of the SDK as well, named sluice.
func Write(dir string, language toolchain.Language, values Values) ([]string, error) {
	if !slices.Contains(Languages(), language) {
		return nil, fmt.Errorf("there is no template for language %q: use one of %v", language, Languages())
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("%s is not empty: name a folder that does not exist yet", dir)
	}
	root := string(language)
	source, copied := sdk.Source(root)
	if !copied && values.SDK == "" {
		return nil, fmt.Errorf("a module in %s is built against Sluice's source: run this in a clone of it, or name one with --sdk", language)
	}
	var written []string
	err := fs.WalkDir(files, root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := files.ReadFile(path)
		if err != nil {
			return err
		}
		t, err := template.New(path).Parse(string(text))
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(path, root+"/"), ".tmpl")
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		out, err := os.Create(to)
		if err != nil {
			return err
		}
		if err := t.Execute(out, values); err != nil {
			out.Close()
			return err
		}
		written = append(written, name)
		return out.Close()
	})
	if copied && err == nil {
		err = os.CopyFS(filepath.Join(dir, "sluice"), source)
		written = append(written, "sluice")
	}
	return written, err
}
