// Sluice-images writes Sluice's container images as archives, without a registry and
// without a container engine, for `ctr -n k8s.io images import`, `podman load` and the
// like.
//
//	go run ./deploy/image/cmd/sluice-images -tag 1.0.0 -out DIR
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sluice-net/sluice/deploy/image"
	"github.com/sluice-net/sluice/deploy/image/contents"
)

func main() {
	repository := flag.String("repository", "ghcr.io/sluice-net", "what the images' names begin with")
	tag := flag.String("tag", "dev", "of both images")
	bin := flag.String("bin", "bin", "what `make build` made")
	scripts := flag.String("scripts", "deploy/openvswitch", "directory of the scripts that start Open vSwitch")
	out := flag.String("out", "bin/images", "directory for the archives")
	flag.Parse()
	if err := run(*repository, *tag, *bin, *scripts, *out); err != nil {
		fmt.Fprintln(os.Stderr, "sluice-images:", err)
		os.Exit(1)
	}
}

func run(repository, tag, bin, scripts, out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	sluice, err := contents.Sluice(repository+"/sluice:"+tag, bin)
	if err != nil {
		return err
	}
	openvswitch, err := contents.OpenVSwitch(repository+"/openvswitch:"+tag, scripts)
	if err != nil {
		return err
	}
	for name, i := range map[string]image.Image{"sluice": sluice, "openvswitch": openvswitch} {
		path := filepath.Join(out, name+".tar")
		if err := i.Write(path); err != nil {
			return err
		}
		fmt.Printf("%s is %s\n", path, i.Names[0])
	}
	return nil
}
