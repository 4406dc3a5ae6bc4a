package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tests/kernel/errand"
)

// booting is how long the guest may take to boot and to turn itself off.
const booting = 2 * time.Minute

// runGuest boots and passes on what the guest prints, and gives what became of
// its errands.
func runGuest(ctx context.Context, k kernel, image string, memory int) ([]errand.Result, error) {
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", strconv.Itoa(memory),
		"-nographic", "-nodefaults", "-no-reboot", "-serial", "stdio",
		"-kernel", k.image, "-initrd", image,
		"-append", "console=ttyS0 panic=-1 quiet mitigations=off tsc=reliable random.trust_cpu=on")
	out, err := qemu.StdoutPipe()
	if err != nil {
		return nil, err
	}
	qemu.Stderr = os.Stderr
	if err := qemu.Start(); err != nil {
		return nil, fmt.Errorf("starting QEMU: %w", err)
	}
	results, whole, reading := relay(out, os.Stdout)
	err = errors.Join(reading, qemu.Wait())
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("the guest was ended: %w", ctx.Err())
	case err != nil:
		return nil, err
	case !whole:
		return nil, errors.New("the guest ended before all was run")
	}
	return results, nil
}

// relay copies lines until the output ends, without those that are for this
// program. Whole says that the guest ran all that it was to run.
func relay(from io.Reader, to io.Writer) (results []errand.Result, whole bool, err error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		said, isResult := strings.CutPrefix(line, errand.ResultMark)
		switch {
		case isResult:
			var r errand.Result
			if err := json.Unmarshal([]byte(said), &r); err != nil {
				return results, whole, fmt.Errorf("the guest says %q: %w", line, err)
			}
			results = append(results, r)
		case line == errand.EndMark:
			whole = true
		default:
			if _, err := fmt.Fprintln(to, line); err != nil {
				return results, whole, err
			}
		}
	}
	return results, whole, lines.Err()
}

// report prints how each part ended; the error names those that failed.
func report(to io.Writer, chosen []part, results []errand.Result) error {
	if len(results) != len(chosen) {
		return fmt.Errorf("the guest ran %d of %d parts", len(results), len(chosen))
	}
	var failed []string
	for _, r := range results {
		how := "ok"
		if r.Code != 0 {
			how = fmt.Sprintf("FAILED with %d", r.Code)
			failed = append(failed, r.Name)
		}
		fmt.Fprintf(to, "%-10s %-14s %5.0f s in the guest\n", r.Name, how, r.Seconds)
	}
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	return nil
}
