package contents

import (
	"fmt"
	"path/filepath"

	"github.com/sluice-net/sluice/deploy/image"
	"github.com/sluice-net/sluice/deploy/image/linked"
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
	programs, err := linked.Programs("ovsdb-server", "ovsdb-tool", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl", "ovs-appctl", "sh", "mv")
	if err != nil {
		return image.Image{}, fmt.Errorf("%w: install openvswitch-switch", err)
	}
	files = append(files, programs...)
	files = append(files, image.File{Path: "/bin/sh", Link: "../usr/bin/sh"})
	for _, script := range []string{"start-ovsdb-server", "start-ovs-vswitchd"} {
		files = append(files, image.File{Path: "/usr/local/bin/" + script, Source: filepath.Join(scripts, script), Mode: 0o755})
	}
	return image.Image{Names: []string{name}, Command: []string{"start-ovs-vswitchd"}, Files: files}, nil
}
