package images

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sluice-net/sluice/deploy/image"
	"github.com/sluice-net/sluice/deploy/image/linked"
	"github.com/sluice-net/sluice/tests/cluster/build"
)

// Names of the images. The e2e suite's are those of Kubernetes v1.37.2
// (test/utils/image/manifest.go).
const (
	Pause   = "registry.k8s.io/pause:3.10.2"
	Agnhost = "registry.k8s.io/e2e-test-images/agnhost:2.66.1"
	Probe   = "localhost/sluice-probe:test" // package tests/cluster/probe
	Busybox = "registry.k8s.io/e2e-test-images/busybox:1.37.0-2"

	OutOfWindow = "registry.k8s.io/e2e-test-images/regression-issue-74839:1.5"
)

// PolicyAPI is the name that network-policy-api v0.2.0 asks for; what it gets is
// agnhost of this release.
const PolicyAPI = "registry.k8s.io/e2e-test-images/agnhost:2.45"

// Programs are those of package build that images are made of.
func Programs() []string {
	return []string{build.Pause, agnhostProgram(), build.OutOfWindow, build.Probe}
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
	tools, err := linked.Programs("sh", "nc.openbsd", "curl", "wget", "ss")
	if err != nil {
		return nil, fmt.Errorf("a program of the e2e suite's image: %w", err)
	}
	var files []string
	for name, i := range map[string]image.Image{
		"pause":   pause(programs),
		"busybox": busybox(),
		"probe":   probe(programs),
		"window":  outOfWindow(programs),
		"agnhost": agnhost(programs[agnhostProgram()], kubernetes, tools),
	} {
		file := filepath.Join(dir, name+".tar")
		if err := keep(file, i); err != nil {
			return nil, fmt.Errorf("image %s: %w", name, err)
		}
		files = append(files, file)
	}
	return files, nil
}

func pause(programs map[string]string) image.Image {
	return image.Image{
		Names: []string{Pause}, Entrypoint: []string{"/pause"}, User: "65535:65535",
		Files: []image.File{{Path: "/pause", Source: programs[build.Pause]}},
	}
}

func outOfWindow(programs map[string]string) image.Image {
	const path = "/" + build.OutOfWindow
	return image.Image{Names: []string{OutOfWindow}, Entrypoint: []string{path}, Files: []image.File{{Path: path, Source: programs[build.OutOfWindow]}}}
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

// agnhost is the image of the e2e suite's servers and clients. Its tools are those
// that the suite's cases call with options that busybox's have not; and a shell that
// finds them, as busybox's takes its own commands before those in PATH.
func agnhost(program, kubernetes string, tools []image.File) image.Image {
	files := append(commands(),
		image.File{Path: "/bin/sh", Link: "../usr/bin/sh"},
		image.File{Path: "/agnhost", Source: program},
		image.File{Path: "/agnhost-2", Link: "agnhost"},
		image.File{Path: "/usr/bin/nc", Link: "nc.openbsd"},
		image.File{Path: "/bin/bash", Source: "/bin/bash-static"},
		image.File{Path: "/uploads"})
	files = append(files, tools...)
	for _, name := range []string{"localhost.crt", "localhost.key"} {
		files = append(files, image.File{Path: "/" + name, Source: filepath.Join(kubernetes, "test/images/agnhost/porter", name), Mode: 0o644})
	}
	return image.Image{Names: []string{Agnhost, PolicyAPI}, Entrypoint: []string{"/agnhost"}, Command: []string{"pause"}, Files: files}
}

// shell is a busybox with names for its commands, its shell among them, and users.
func shell() []image.File {
	return append(commands(), image.File{Path: "/bin/sh", Link: "busybox"})
}

// commands are those of a busybox, without its shell, and users.
func commands() []image.File {
	files := []image.File{
		{Path: "/bin/busybox", Source: "/bin/busybox"},
		{Path: "/etc/passwd", Content: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"},
		{Path: "/etc/group", Content: "root:x:0:\nnobody:x:65534:\n"},
		{Path: "/root"},
	}
	for _, name := range []string{
		"awk", "cat", "cut", "date", "dd", "env", "expr", "false", "grep", "head", "hostname", "id", "ifconfig", "ip", "kill", "ls", "mkdir", "nc", "netstat",
		"nslookup", "ping", "ps", "rm", "sed", "seq", "sleep", "sort", "tail", "test", "timeout", "touch", "tr", "true", "uniq", "wc", "wget",
	} {
		files = append(files, image.File{Path: "/bin/" + name, Link: "busybox"})
	}
	return files
}
