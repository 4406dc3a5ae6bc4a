// Demo shows Sluice at work on this machine: real Open vSwitch, a real primary
// CNI, real packets, policy in a sandboxed Wasm module, and the module swapped
// while traffic runs. It needs root and what `make build` makes; it ends with
// status 0 only if everything came out as it should.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/host/lab"
)

const (
	bin       = "bin"
	manifests = "tests/demo/shop"
	module    = "networkpolicy"
	swaps     = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := demo(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo failed:", err)
		os.Exit(1)
	}
}

// say prints a line of the story with the time since the start.
type say func(format string, args ...any)

func narrator() say {
	begin := time.Now()
	return func(format string, args ...any) {
		fmt.Printf("%6.1fs  %s\n", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
	}
}

func demo(ctx context.Context) (err error) {
	tell := narrator()
	tell("building a node out of network namespaces: Open vSwitch, sluice-agent, ptp, sluice-cni, 4 Pods")
	l, err := lab.Start(ctx, lab.Options{
		Manifests: []string{manifests}, Binaries: lab.PathsIn(bin),
		Modules:  []string{filepath.Join(bin, "modules", module+".wasm")},
		Progress: func(line string) { tell("  %s", line) },
	})
	if err != nil {
		return err
	}
	defer func() {
		closing := l.Close()
		err = errors.Join(err, closing)
		if closing == nil {
			tell("the lab is gone, nothing is left of it")
		}
	}()
	if err := showPolicy(ctx, l, tell); err != nil {
		return err
	}
	return swapUnderTraffic(ctx, l, tell)
}

// showPolicy prints who reaches whom before and after the policies.
func showPolicy(ctx context.Context, l *lab.Lab, tell say) error {
	baseline, err := l.MeasureBaseline(ctx)
	if err != nil {
		return err
	}
	tell("who reaches whom with no policy in force:")
	fmt.Println()
	if err := l.BaselineMatrix(baseline).WriteTable(os.Stdout, lab.DefaultStyle()); err != nil {
		return err
	}
	fmt.Println()
	tell("applying %s/policies.yaml", manifests)
	start := time.Now()
	if err := l.ApplyPolicies(); err != nil {
		return err
	}
	if err := l.WaitRealised(ctx); err != nil {
		return err
	}
	tell("in force after %d ms; who reaches whom now:", time.Since(start).Milliseconds())
	fmt.Println()
	matrix, err := l.Measure(ctx, baseline)
	if err != nil {
		return err
	}
	if err := matrix.WriteTable(os.Stdout, lab.DefaultStyle()); err != nil {
		return err
	}
	fmt.Println()
	connected, refused := matrix.Counts()
	if connected == 0 || refused == 0 || len(matrix.Unusable) > 0 {
		return fmt.Errorf("%d pairs connected, %d refused, %d unusable: some of each of the first two were expected, none of the last",
			connected, refused, len(matrix.Unusable))
	}
	return nil
}

// swapUnderTraffic replaces the module while two streams run.
func swapUnderTraffic(ctx context.Context, l *lab.Lab, tell say) error {
	udp, err := l.UDPStream(lab.StreamSpec{From: "shop/web", To: "shop/api", Rate: 1000})
	if err != nil {
		return err
	}
	defer udp.Stop()
	tcp, err := l.TCPStream(lab.StreamSpec{From: "shop/api", To: "shop/db", Rate: 1000})
	if err != nil {
		return err
	}
	defer tcp.Stop()
	tell("a UDP stream web -> api and a TCP stream api -> db run, 1000 messages a second each")
	if err := errors.Join(udp.WaitFlowing(ctx, 1000), tcp.WaitFlowing(ctx, 1000)); err != nil {
		return err
	}
	before, err := written(ctx, l)
	if err != nil {
		return err
	}
	for i := range swaps {
		if err := swap(ctx, l, fmt.Sprintf("0.1.0+demo.%d", i+1), tell); err != nil {
			return err
		}
	}
	received := udp.Report().Received
	if err := udp.WaitFlowing(ctx, received+1000); err != nil {
		return err
	}
	after, err := written(ctx, l)
	if err != nil {
		return err
	}
	lost := 0
	for name, s := range map[string]*lab.Stream{"UDP": udp, "TCP": tcp} {
		report := s.Stop()
		tell("%s: %s", name, report)
		if lost += report.Lost; report.Err != nil {
			return fmt.Errorf("the %s stream broke off: %w", name, report.Err)
		}
	}
	tell("flows written by the swaps: %d; messages lost: %d", after-before, lost)
	if lost != 0 || after != before {
		return fmt.Errorf("%d messages were lost and %d flows written over %d swaps, both should be 0", lost, after-before, swaps)
	}
	return nil
}

// swap puts another version of the module in the place of the running one.
func swap(ctx context.Context, l *lab.Lab, version string, tell say) error {
	next, err := anotherVersion(version)
	if err != nil {
		return err
	}
	defer os.Remove(next)
	start := time.Now()
	digest, err := l.ReplaceModule(module, next)
	if err != nil {
		return err
	}
	if err := l.WaitModule(ctx, module, digest); err != nil {
		return err
	}
	tell("module swapped: version %s, sha256 %.12s…, at work after %d ms", version, digest, time.Since(start).Milliseconds())
	return nil
}

// anotherVersion writes the module with another version in its manifest to a
// temporary file, which the caller removes.
func anotherVersion(version string) (path string, err error) {
	wasm, err := os.ReadFile(filepath.Join(bin, "modules", module+".wasm"))
	if err != nil {
		return "", err
	}
	text, _, err := binary.CustomSection(wasm, abi.ManifestSection)
	if err != nil {
		return "", err
	}
	manifest, err := binary.ParseManifest(text)
	if err != nil {
		return "", err
	}
	manifest.Version = version
	if text, err = json.Marshal(manifest); err != nil {
		return "", err
	}
	if wasm, err = binary.WithoutCustomSection(wasm, abi.ManifestSection); err != nil {
		return "", err
	}
	if wasm, err = binary.AppendCustomSection(wasm, abi.ManifestSection, text); err != nil {
		return "", err
	}
	f, err := os.CreateTemp("", "sluice-demo-*.wasm")
	if err != nil {
		return "", err
	}
	_, err = f.Write(wasm)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// written is how many flows the agents have written so far.
func written(ctx context.Context, l *lab.Lab) (total uint64, err error) {
	for _, n := range l.Plan().Nodes {
		s, err := l.Agent(n.Name).Status(ctx)
		if err != nil {
			return 0, err
		}
		total += s.Flows.Written
	}
	return total, nil
}
