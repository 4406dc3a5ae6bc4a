package testkit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/sandbox"
)

// Options of Run. Wasm and Sandbox are needed.
type Options struct {
	Wasm    []byte
	Sandbox string // path of the program sluice-sandbox
	Config  []byte // JSON that the module is configured with; may be nil
	// Objects of the resources that the module watches; the more ways they use, the
	// more is tested. Of a resource without any, objects are made up: they have no
	// spec, but answers of name servers are as the host gives them.
	Objects []*abi.ObjectPut
}

// Result of one check.
type Result string

// The results.
const (
	OK      Result = "ok"
	Failed  Result = "failed"
	Skipped Result = "skipped" // there was nothing to check
)

// Check is one thing that was asked.
type Check struct {
	Name   string `json:"name"`
	Result Result `json:"result"`
	Detail string `json:"detail,omitempty"` // why it failed or was skipped
}

// Report is what came of all checks.
type Report struct {
	Module  string  `json:"module"`
	Version string  `json:"version"`
	Checks  []Check `json:"checks"`
}

// Err names the checks that failed; nil if none did.
func (r Report) Err() error {
	var failed []string
	for _, c := range r.Checks {
		if c.Result == Failed {
			failed = append(failed, c.Name+": "+c.Detail)
		}
	}
	if failed == nil {
		return nil
	}
	return errors.New("the module does not keep to the ABI: " + strings.Join(failed, "; "))
}

// skip is why a check had nothing to do.
type skip string

func (s skip) Error() string { return string(s) }

// Run makes all checks, some seconds' work. The error is that of ctx or of
// starting a sandbox; what is wrong with the module is in the report.
func Run(ctx context.Context, options Options) (Report, error) {
	k := &kit{Options: options, launcher: sandbox.NewLauncher()}
	defer k.launcher.Close()
	defer func() {
		if k.idle != nil {
			k.idle.end()
		}
	}()
	var report Report
	if err := k.file(); err != nil {
		report.Checks = []Check{{"the file", Failed, err.Error()}}
		return report, nil
	}
	report.Module, report.Version = k.manifest.Name, k.manifest.Version
	report.Checks = []Check{{Name: "the file", Result: OK}}
	for _, c := range []struct {
		name string
		run  func(context.Context, *kit) error
	}{
		{"empty state, empty batch", emptyState},
		{"fields and events of later versions", laterVersions},
		{"deletes of what was never there", unknownDeletes},
		{"objects that cannot be read", unreadableObjects},
		{"a batch that cannot be read", unreadableBatch},
		{"a batch is a pure function of state", pureFunction},
		{"the same twice", deterministic},
		{"refusals of the host", refusals},
		{"a large state", largeState},
		{"many batches in the memory of few", manyBatches},
	} {
		err := c.run(ctx, k)
		if ctx.Err() != nil {
			return report, ctx.Err()
		}
		var failure *sandbox.Failure
		if errors.As(err, &failure) && failure.Kind == sandbox.FaultStart {
			return report, err
		}
		check := Check{Name: c.name, Result: OK}
		var why skip
		if errors.As(err, &why) {
			check.Result, check.Detail = Skipped, why.Error()
		} else if err != nil {
			check.Result, check.Detail = Failed, err.Error()
		}
		report.Checks = append(report.Checks, check)
	}
	return report, nil
}

// kit is what the checks share.
type kit struct {
	Options
	launcher *sandbox.Launcher
	manifest *abi.Manifest
	limits   abi.Limits
	idle     *instance
}

// file checks what can be known without running the module.
func (k *kit) file() error {
	if err := plugin.Verify(k.Wasm); err != nil {
		return fmt.Errorf("the module %w", err)
	}
	b, err := binary.Inspect(k.Wasm)
	if err != nil {
		return err
	}
	if k.manifest, err = binary.ParseManifest(b.Manifest); err != nil {
		return err
	}
	if err := plugin.CheckConfig(k.manifest, k.Config); err != nil {
		return err
	}
	k.limits = plugin.DefaultLimits(&abi.Manifest{})
	if asked := k.manifest.Limits; asked != nil {
		for _, l := range []struct {
			limit *int
			asked int
		}{
			{&k.limits.MemoryMiB, asked.MemoryMiB},
			{&k.limits.BatchMillis, asked.BatchMillis},
			{&k.limits.SnapshotMillis, asked.SnapshotMillis},
			{&k.limits.Rules, asked.Rules},
			{&k.limits.Sets, asked.Sets},
			{&k.limits.Addresses, asked.Addresses},
		} {
			if l.asked != 0 {
				*l.limit = l.asked
			}
		}
	}
	return nil
}
