package contents

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/sluice-net/sluice/deploy/image"
)

// OpenVSwitch is the image of Open vSwitch as it is installed on this machine. Scripts
// is the directory of those that start the daemons.
func OpenVSwitch(name, scripts string) (image.Image, error) {
	const schema = "/usr/share/openvswitch/vswitch.ovsschema"
	files := []image.File{
		{Path: "/var/run", Link: "../run"},
		{Path: "/var/log/openvswitch"},
		{Path: schema, Source: schema},
		{Path: "/etc/passwd", Content: "root:x:0:0:root:/:/bin/sh\n"},
		{Path: "/etc/group", Content: "root:x:0:\n"},
	}
	libraries := map[string]bool{}
	for _, program := range []string{"ovsdb-server", "ovsdb-tool", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl", "ovs-appctl", "sh", "mv"} {
		path, err := found(program)
		if err != nil {
			return image.Image{}, err
		}
		files = append(files, image.File{Path: "/usr/bin/" + program, Source: path, Mode: 0o755})
		out, err := exec.Command("ldd", path).Output()
		if err != nil {
			return image.Image{}, fmt.Errorf("the libraries of %s: %w", path, err)
		}
		for _, library := range libraryPath.FindAllString(string(out), -1) {
			libraries[library] = true
		}
	}
	for library := range libraries {
		files = append(files, image.File{Path: library, Source: library, Mode: 0o755})
	}
	files = append(files, image.File{Path: "/bin/sh", Link: "../usr/bin/sh"})
	for _, script := range []string{"start-ovsdb-server", "start-ovs-vswitchd"} {
		files = append(files, image.File{Path: "/usr/local/bin/" + script, Source: filepath.Join(scripts, script), Mode: 0o755})
	}
	return image.Image{Names: []string{name}, Command: []string{"start-ovs-vswitchd"}, Files: files}, nil
}

// libraryPath finds the files in what ldd prints.
var libraryPath = regexp.MustCompile(`/\S+`)

// found is the file of a program, behind the links by which Debian offers a choice.
func found(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("%w: install openvswitch-switch", err)
	}
	return filepath.EvalSymlinks(path)
}
