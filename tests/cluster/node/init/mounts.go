package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tests/cluster/node"
)

// prepare makes the node's view of files.
func prepare(s node.Setup) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("leaving the machine's mounts: %w", err)
	}
	for _, step := range []func(node.Setup) error{mountKernel, mountCgroups, mountPrivate, override, installPlugins} {
		if err := step(s); err != nil {
			return err
		}
	}
	if err := unix.Sethostname([]byte(s.Name)); err != nil {
		return err
	}
	// As on a machine: containers that ask for it see what is mounted later (mount_namespaces(7)).
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

func mountKernel(node.Setup) error {
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	if err := unix.Unmount("/sys", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmounting /sys: %w", err)
	}
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return fmt.Errorf("/sys: %w", err)
	}
	return nil
}

// mountCgroups mounts the hierarchies anew, so that each one's root is the node's group.
func mountCgroups(s node.Setup) error {
	if s.Unified {
		if err := unix.Mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, ""); err != nil {
			return fmt.Errorf("cgroups: %w", err)
		}
		// kubelet hands on controllers, which a group with processes may not.
		if err := os.MkdirAll("/sys/fs/cgroup/init", 0o755); err != nil {
			return err
		}
		return os.WriteFile("/sys/fs/cgroup/init/cgroup.procs", []byte("0"), 0o644)
	}
	if err := unix.Mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("cgroups: %w", err)
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 || fields[1] == "" {
			continue
		}
		name, isNamed := strings.CutPrefix(fields[1], "name=")
		options := name
		if isNamed {
			options = "none,name=" + name
		}
		dir := filepath.Join("/sys/fs/cgroup", name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("cgroup", dir, "cgroup", 0, options); err != nil {
			return fmt.Errorf("cgroups %s: %w", options, err)
		}
	}
	return nil
}

func mountPrivate(s node.Setup) error {
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("/run: %w", err)
	}
	for _, dir := range []string{"/run/netns", "/run/lock"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for dir, own := range s.Private {
		if err := os.MkdirAll(own, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(own, dir, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

// override lays files over settings of the kernel that are the whole machine's.
func override(s node.Setup) error {
	for name, value := range s.Override {
		file := filepath.Join(s.Logs, "..", "conf", strings.ReplaceAll(name, "/", "."))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, filepath.Join("/proc/sys", name), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("setting %s: %w", name, err)
		}
	}
	return nil
}

func installPlugins(s node.Setup) (err error) {
	for name, source := range s.Plugins {
		err = errors.Join(err, install(source, filepath.Join("/opt/cni/bin", name)))
	}
	return err
}

func install(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fs.FileMode(0o755))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
