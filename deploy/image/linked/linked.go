package linked

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/sluice-net/sluice/deploy/image"
)

// Programs are programs of this machine, found in PATH and put into /usr/bin under the
// same names, and the libraries of all of them, which stay where they are. Behind the
// links by which Debian offers a choice, it is the chosen one.
func Programs(names ...string) ([]image.File, error) {
	var files []image.File
	libraries := map[string]bool{}
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			return nil, err
		}
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return nil, err
		}
		files = append(files, image.File{Path: "/usr/bin/" + name, Source: path, Mode: 0o755})
		out, err := exec.Command("ldd", path).Output()
		if err != nil {
			return nil, fmt.Errorf("the libraries of %s: %w", path, err)
		}
		for _, library := range absolute.FindAllString(string(out), -1) {
			libraries[library] = true
		}
	}
	for _, library := range slices.Sorted(maps.Keys(libraries)) {
		files = append(files, image.File{Path: library, Source: library, Mode: 0o755})
	}
	return files, nil
}

// absolute finds the files in what ldd prints.
var absolute = regexp.MustCompile(`/\S+`)
