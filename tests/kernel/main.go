package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	names := flag.String("part", "all", "what to run, separated by commas: all, or "+strings.Join(partNames(), ", "))
	only := flag.String("run", "", "regular expression of the tests to run, instead of the part's own choice")
	memory := flag.Int("memory", 4096, "of the guest, in MiB")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := boot(ctx, *names, *only, *memory)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kernel:", err)
		os.Exit(1)
	}
}

func boot(ctx context.Context, names, only string, memory int) error {
	chosen, err := choose(names)
	if err != nil {
		return err
	}
	limit := booting
	for i := range chosen {
		if p := &chosen[i]; only != "" {
			p.tests, p.skip, p.bench = only, "", ""
		}
		limit += chosen[i].errand().Limit
	}
	if err := install(ctx, packages); err != nil {
		return err
	}
	k, err := findKernel(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sluice-kernel-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	image := filepath.Join(dir, "initramfs")
	if err := buildImage(ctx, image, dir, k, chosen); err != nil {
		return err
	}
	fmt.Printf("booting %s with the openvswitch module\n", k.version)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	results, err := runGuest(ctx, k, image, memory)
	if err != nil {
		return err
	}
	return report(os.Stdout, chosen, results)
}
