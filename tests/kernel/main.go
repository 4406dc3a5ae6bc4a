package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	run := flag.String("run", defaultTests, "regular expression of the lab's tests to run")
	memory := flag.Int("memory", 3072, "of the guest, in MiB")
	limit := flag.Duration("limit", 40*time.Minute, "after which the guest is ended")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, *limit)
	err := boot(ctx, *run, *memory)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kernel:", err)
		os.Exit(1)
	}
}

// defaultTests are those that say something about the datapath.
const defaultTests = "^(TestScenarios|TestPoliciesComeAndGo|TestAgentKilledUnderTraffic|TestModuleSwappedUnderTraffic)$"

func boot(ctx context.Context, tests string, memory int) error {
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
	if err := buildImage(ctx, image, dir, k, tests); err != nil {
		return err
	}
	fmt.Printf("booting %s with the openvswitch module\n", k.version)
	return runGuest(ctx, k, image, memory)
}

// runGuest boots and passes on what the guest prints. The guest's last line is
// its exit code.
func runGuest(ctx context.Context, k kernel, image string, memory int) error {
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", strconv.Itoa(memory),
		"-nographic", "-nodefaults", "-no-reboot", "-serial", "stdio",
		"-kernel", k.image, "-initrd", image,
		"-append", "console=ttyS0 panic=-1 quiet mitigations=off tsc=reliable random.trust_cpu=on")
	out, err := qemu.StdoutPipe()
	if err != nil {
		return err
	}
	qemu.Stderr = os.Stderr
	if err := qemu.Start(); err != nil {
		return fmt.Errorf("starting QEMU: %w", err)
	}
	code, reading := relay(out, os.Stdout)
	err = errors.Join(reading, qemu.Wait())
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("the guest was ended: %w", ctx.Err())
	case err != nil:
		return err
	case code == "":
		return errors.New("the guest ended without saying how")
	case code != "0":
		return fmt.Errorf("the tests in the guest ended with %s", code)
	}
	return nil
}

// relay copies lines until the output ends and returns the guest's exit code,
// which it leaves out.
func relay(from io.Reader, to io.Writer) (code string, err error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if rest, is := strings.CutPrefix(line, exitMark); is {
			code = rest
			continue
		}
		if _, err := fmt.Fprintln(to, line); err != nil {
			return code, err
		}
	}
	return code, lines.Err()
}

// exitMark begins the guest's last line; see guest/main.go.
const exitMark = "SLUICE-GUEST-EXIT "
