package images

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sluice-net/sluice/deploy/image"
	"github.com/sluice-net/sluice/tests/cluster/build"
)

// Names of the images. The e2e suite's are those of Kubernetes v1.37.2
// (test/utils/image/manifest.go).
const (
	Pause   = "registry.k8s.io/pause:3.10.2"
	Agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.66.1"
	Probe   = "localhost/sluice-probe:test" // package tests/cluster/probe
	Busybox = "registry.k8s.io/e2e-test-images/busybox:1.37.0-2"
)

// PolicyAPI is the name that network-policy-api v0.2.0 asks for; what it gets is
// agnhost of this release, which goes on where the kernel has no SCTP.
const PolicyAPI = "registry.k8s.io/e2e-test-images/agnhost:2.45"

// Programs are those of package build that images are made of.
func Programs() []string {
	return []string{build.Pause, build.Agnhost, build.AgnhostNoSCTP, build.Probe}
}

// Archives makes the archives, and returns their files.
func Archives(ctx context.Context, progress io.Writer) ([]string, error) {
	programs, err := build.Programs(ctx, progress, Programs()...)
	if err != nil {
		return nil, err
	}
	cache, err := build.Cache()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, "images")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	kubernetes, err := build.ModuleDir(ctx)
	if err != nil {
		return nil, err
	}
	var files []string
	for name, i := range map[string]image.Image{
		"pause":   pause(programs),
		"busybox": busybox(),
		"probe":   probe(programs),
		"agnhost": agnhost(Agnhost, programs[build.Agnhost], kubernetes),
		"policy":  agnhost(PolicyAPI, programs[build.AgnhostNoSCTP], kubernetes),
	} {
		file := filepath.Join(dir, name+".tar")
		if err := keep(file, i); err != nil {
			return nil, fmt.Errorf("image %s: %w", name, err)
		}
		files = append(files, file)
	}
	return files, nil
}

// keep makes an archive unless there is one that is newer than what it is made of.
func keep(file string, i image.Image) error {
	made, err := os.Stat(file)
	current := err == nil
	for _, f := range i.Files {
		if f.Source == "" {
			continue
		}
		source, err := os.Stat(f.Source)
		if err != nil {
			return err
		}
		current = current && source.ModTime().Before(made.ModTime())
	}
	if current {
		return nil
	}
	return i.Write(file)
}

func pause(programs map[string]string) image.Image {
	return image.Image{
		Names: []string{Pause}, Entrypoint: []string{"/pause"}, User: "65535:65535",
		Files: []image.File{{Path: "/pause", Source: programs[build.Pause]}},
	}
}

func probe(programs map[string]string) image.Image {
	return image.Image{
		Names: []string{Probe}, Entrypoint: []string{"/probe"},
		Files: append(shell(), image.File{Path: "/probe", Source: programs[build.Probe]}),
	}
}

func busybox() image.Image {
	return image.Image{Names: []string{Busybox}, Command: []string{"/bin/sh"}, Files: shell()}
}

// agnhost is the image of the e2e suite's servers and clients.
func agnhost(name, program, kubernetes string) image.Image {
	files := append(shell(),
		image.File{Path: "/agnhost", Source: program},
		image.File{Path: "/agnhost-2", Link: "agnhost"},
		image.File{Path: "/bin/bash", Source: "/bin/bash-static"},
		image.File{Path: "/uploads"})
	for _, name := range []string{"localhost.crt", "localhost.key"} {
		files = append(files, image.File{Path: "/" + name, Source: filepath.Join(kubernetes, "test/images/agnhost/porter", name), Mode: 0o644})
	}
	return image.Image{Names: []string{name}, Entrypoint: []string{"/agnhost"}, Command: []string{"pause"}, Files: files}
}

// shell is a busybox with names for its commands, and users.
func shell() []image.File {
	files := []image.File{
		{Path: "/bin/busybox", Source: "/bin/busybox"},
		{Path: "/etc/passwd", Content: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"},
		{Path: "/etc/group", Content: "root:x:0:\nnobody:x:65534:\n"},
		{Path: "/root"},
	}
	for _, name := range []string{
		"cat", "date", "env", "false", "grep", "head", "hostname", "id", "ifconfig", "ip", "ls", "nc", "netstat", "nslookup",
		"ping", "ps", "seq", "sh", "sleep", "test", "timeout", "true", "wget",
	} {
		files = append(files, image.File{Path: "/bin/" + name, Link: "busybox"})
	}
	return files
}
