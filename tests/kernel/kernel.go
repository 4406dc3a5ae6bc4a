package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// packages are what this program itself needs of Debian.
var packages = []string{"qemu-system-x86", "openvswitch-switch", "kmod", "iproute2", "nftables", "ethtool", "iputils-ping", "procps"}

// install installs what is missing.
func install(ctx context.Context, names []string) error {
	if exec.CommandContext(ctx, "dpkg", append([]string{"-s"}, names...)...).Run() == nil {
		return nil
	}
	fmt.Println("installing", strings.Join(names, ", "))
	for _, args := range [][]string{{"update", "-q"}, append([]string{"install", "-q", "-y", "--no-install-recommends"}, names...)} {
		if out, err := exec.CommandContext(ctx, "apt-get", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// kernel is an unpacked package of Debian's cloud kernel.
type kernel struct {
	version string
	root    string // where the package was unpacked
	image   string
}

// moduleNames are the modules that the tests need; what those need comes along.
var moduleNames = []string{
	"openvswitch", "nf_conntrack", "nf_nat", "nf_conntrack_netlink", "veth", "bridge", "tun", "sctp",
	"tcp_diag", "udp_diag", "nf_tables", "nft_ct", "nft_chain_nat", "nft_nat", "virtio_pci", "virtio_rng",
}

// findKernel downloads the kernel that Debian recommends for clouds, which has
// all that is needed and little else, unless it is there already.
func findKernel(ctx context.Context) (kernel, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return kernel{}, err
	}
	root := filepath.Join(cache, "sluice", "kernel")
	if k, err := unpacked(root); err == nil {
		return k, nil
	}
	name, err := packageName(ctx)
	if err != nil {
		return kernel{}, err
	}
	fmt.Println("downloading", name)
	dir, err := os.MkdirTemp("", "sluice-deb-")
	if err != nil {
		return kernel{}, err
	}
	defer os.RemoveAll(dir)
	download := exec.CommandContext(ctx, "apt-get", "download", "-q", name)
	download.Dir = dir
	if out, err := download.CombinedOutput(); err != nil {
		return kernel{}, fmt.Errorf("apt-get download %s: %w\n%s", name, err, out)
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) != 1 {
		return kernel{}, fmt.Errorf("apt-get download %s left %d packages: %w", name, len(debs), err)
	}
	if err := errors.Join(os.RemoveAll(root), os.MkdirAll(root, 0o755)); err != nil {
		return kernel{}, err
	}
	if out, err := exec.CommandContext(ctx, "dpkg", "-x", debs[0], root).CombinedOutput(); err != nil {
		return kernel{}, fmt.Errorf("unpacking %s: %w\n%s", name, err, out)
	}
	k, err := unpacked(root)
	if err != nil {
		return kernel{}, err
	}
	if out, err := exec.CommandContext(ctx, "depmod", "-b", root, k.version).CombinedOutput(); err != nil {
		return kernel{}, fmt.Errorf("depmod: %w\n%s", err, out)
	}
	return k, nil
}

func unpacked(root string) (kernel, error) {
	images, err := filepath.Glob(filepath.Join(root, "boot", "vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return kernel{}, errors.New("no kernel is unpacked")
	}
	version := strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-")
	return kernel{version: version, root: root, image: images[0]}, nil
}

var dependency = regexp.MustCompile(`Depends: (linux-image-\S+-cloud-amd64)`)

func packageName(ctx context.Context) (string, error) {
	const meta = "linux-image-cloud-amd64"
	out, err := exec.CommandContext(ctx, "apt-cache", "depends", meta).Output()
	if err != nil {
		return "", fmt.Errorf("apt-cache depends %s: %w", meta, err)
	}
	found := dependency.FindSubmatch(out)
	if found == nil {
		return "", fmt.Errorf("apt-cache names no kernel that %s depends on: run apt-get update", meta)
	}
	return string(found[1]), nil
}

// modules are the files of moduleNames and of what they need, in the order in
// which they can be loaded. What the kernel has built in is left out.
func (k kernel) modules(ctx context.Context) ([]string, error) {
	var files []string
	for _, name := range moduleNames {
		out, err := exec.CommandContext(ctx, "modprobe", "-d", k.root, "-S", k.version, "--show-depends", name).Output()
		if err != nil {
			return nil, fmt.Errorf("module %s of %s: %w", name, k.version, err)
		}
		for _, line := range strings.Split(string(out), "\n") {
			fields := strings.Fields(line)
			if len(fields) >= 2 && fields[0] == "insmod" && !slices.Contains(files, fields[1]) {
				files = append(files, fields[1])
			}
		}
	}
	return files, nil
}
