package contents

import (
	"path/filepath"

	"github.com/sluice-net/sluice/deploy/image"
)

// Sluice is the agent's image, of what `make build` left in a directory.
func Sluice(name, bin string) (image.Image, error) {
	files := []image.File{
		// Runtimes name namespaces by the older path.
		{Path: "/var/run", Link: "../run"},
		{Path: "/etc/passwd", Content: "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n"},
		{Path: "/etc/group", Content: "root:x:0:\nnobody:x:65534:\n"},
	}
	for _, program := range []string{"sluice-agent", "sluice-sandbox", "sluicectl", "sluice-cni"} {
		files = append(files, image.File{Path: "/usr/local/bin/" + program, Source: filepath.Join(bin, program), Mode: 0o755})
	}
	modules, err := filepath.Glob(filepath.Join(bin, "modules", "*.wasm"))
	for _, module := range modules {
		files = append(files, image.File{Path: "/usr/share/sluice/modules/" + filepath.Base(module), Source: module, Mode: 0o644})
	}
	return image.Image{Names: []string{name}, Command: []string{"sluice-agent"}, Files: files}, err
}
