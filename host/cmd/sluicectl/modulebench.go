package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/host/artifact"
	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/sandbox"
)

// Bench is what `module bench` measured. Times are wall time, in milliseconds.
type Bench struct {
	Objects  int `json:"objects"`
	Requests int `json:"requests"` // that a snapshot leads to
	Rounds   int `json:"rounds"`

	LoadMillis          float64 `json:"loadMillis"`     // compile and start, once
	FirstMillis         float64 `json:"firstMillis"`    // the first snapshot of a fresh process
	SnapshotMillis      float64 `json:"snapshotMillis"` // a later one; median
	SnapshotWorst       float64 `json:"snapshotWorst"`
	ChangeMillis        float64 `json:"changeMillis"` // a batch of one changed object; median
	ChangeWorst         float64 `json:"changeWorst"`
	RSSBytes            int64   `json:"rssBytes"`       // of the sandbox, engine included, at the end
	CPUMillis           float64 `json:"cpuMillis"`      // of the sandbox, in all
	LimitMemoryMiB      int     `json:"limitMemoryMiB"` // of linear memory
	LimitBatchMillis    int     `json:"limitBatchMillis"`
	LimitSnapshotMillis int     `json:"limitSnapshotMillis"`
}

type benchFlags struct {
	offline
	rounds int
	output string
}

func moduleBenchCommand() *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use:   "bench MODULE --manifests PATH...",
		Short: "Measure how long a module takes and what it needs, against its limits",
		Long: `Run a module in its real sandbox over the objects of some manifests: loading it, the whole state at
first and again, then each object by itself as if it had changed. Times are wall time on this machine and
include the way into the sandbox and back.

` + moduleHelp + `

Exit codes: 0, 1 if the module fails or goes over a limit.`,
		Example: "  sluicectl module bench web.wasm --manifests shop/\n  sluicectl module bench networkpolicy --manifests big/ --rounds 200 -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(f.output, "table", "json"); err != nil {
				return err
			}
			b, err := f.run(c.Context(), args[0])
			if err != nil {
				return err
			}
			if f.output == "json" {
				return writeJSON(c.OutOrStdout(), b)
			}
			return b.write(c.OutOrStdout())
		},
	}
	f.addManifests(c)
	f.add(c)
	c.Flags().IntVar(&f.rounds, "rounds", 50, "how often to repeat what is repeated")
	c.Flags().StringVarP(&f.output, "output", "o", "table", `"table" or "json"`)
	return c
}

func (f *benchFlags) run(ctx context.Context, text string) (Bench, error) {
	m, err := f.registry.get(ctx, text, artifact.Options{})
	if err != nil {
		return Bench{}, err
	}
	if err := plugin.Verify(m.wasm); err != nil {
		return Bench{}, fmt.Errorf("%s %w", m.ref, err)
	}
	found, err := binary.Inspect(m.wasm)
	if err != nil {
		return Bench{}, err
	}
	manifest, err := binary.ParseManifest(found.Manifest)
	if err != nil {
		return Bench{}, err
	}
	spec, err := f.spec(m.name, m.wasm, 0)
	if err != nil {
		return Bench{}, err
	}
	if err := plugin.CheckConfig(manifest, spec.Config); err != nil {
		return Bench{}, err
	}
	events, _, err := cluster.LoadOnce(f.manifests, manifest.Resources...)
	if err != nil {
		return Bench{}, err
	}
	var objects []abi.Event
	for _, e := range events {
		if put, is := cluster.ModuleEvent(e).(*abi.ObjectPut); is && slices.Contains(manifest.Resources, put.Resource) {
			objects = append(objects, put)
		}
	}
	program, err := sandboxProgram(f.sandbox)
	if err != nil {
		return Bench{}, err
	}
	limits := plugin.DefaultLimits(manifest)
	launcher := sandbox.NewLauncher()
	defer launcher.Close()
	process, err := launcher.Start(ctx, sandbox.Options{Path: program, Limits: sandbox.Limits{MemoryMiB: limits.MemoryMiB}})
	if err != nil {
		return Bench{}, err
	}
	defer process.Kill()
	run := benchRun{process: process, limits: limits, config: spec.Config, objects: objects}
	return run.measure(m.wasm, max(f.rounds, 1))
}

// benchRun is one measurement.
type benchRun struct {
	process  *sandbox.Process
	limits   abi.Limits
	config   []byte
	objects  []abi.Event
	sequence uint64
	requests int
}

func (r *benchRun) measure(wasm []byte, rounds int) (Bench, error) {
	b := Bench{
		Objects: len(r.objects), Rounds: rounds,
		LimitMemoryMiB: r.limits.MemoryMiB, LimitBatchMillis: r.limits.BatchMillis, LimitSnapshotMillis: r.limits.SnapshotMillis,
	}
	start := time.Now()
	if err := r.process.Load(wasm, time.Minute); err != nil {
		return b, err
	}
	b.LoadMillis = millis(time.Since(start))
	first, err := r.snapshot()
	if err != nil {
		return b, err
	}
	b.FirstMillis, b.Requests = millis(first), r.requests
	if b.SnapshotMillis, b.SnapshotWorst, err = repeat(rounds, func(int) (time.Duration, error) { return r.snapshot() }); err != nil {
		return b, err
	}
	if len(r.objects) > 0 {
		b.ChangeMillis, b.ChangeWorst, err = repeat(rounds, r.change)
		if err != nil {
			return b, err
		}
	}
	usage, err := r.process.Usage()
	b.RSSBytes, b.CPUMillis = usage.RSS, millis(usage.CPU)
	return b, err
}

func (r *benchRun) snapshot() (time.Duration, error) {
	events := append([]abi.Event{&abi.Configure{JSON: r.config}}, r.objects...)
	return r.handle(true, events, time.Duration(r.limits.SnapshotMillis)*time.Millisecond)
}

// change puts one object again, as a later generation.
func (r *benchRun) change(round int) (time.Duration, error) {
	put := *r.objects[round%len(r.objects)].(*abi.ObjectPut)
	put.Generation += int64(round) + 1
	return r.handle(false, []abi.Event{&put}, time.Duration(r.limits.BatchMillis)*time.Millisecond)
}

func (r *benchRun) handle(reset bool, events []abi.Event, limit time.Duration) (time.Duration, error) {
	r.sequence++
	r.requests = 0
	batch := abi.AppendEventBatch(nil, &abi.EventBatch{Sequence: r.sequence, Reset: reset, Events: events})
	start := time.Now()
	code, err := r.process.Handle(batch, limit, func(raw []byte, size int) (abi.EmitError, error) {
		if raw == nil && size > 0 {
			return abi.TooLarge, nil
		}
		return abi.OK, abi.DecodeRequests(raw, func(abi.Request) error { r.requests++; return nil })
	})
	took := time.Since(start)
	switch {
	case err != nil:
		return took, fmt.Errorf("the module %w", err)
	case code != abi.Commit:
		return took, fmt.Errorf("the module returned %d for a batch of %d events", code, len(events))
	}
	return took, nil
}

// repeat returns the median and the longest of some rounds, in milliseconds.
func repeat(rounds int, f func(round int) (time.Duration, error)) (median, worst float64, err error) {
	var all []time.Duration
	for i := range rounds {
		took, err := f(i)
		if err != nil {
			return 0, 0, err
		}
		all = append(all, took)
	}
	slices.Sort(all)
	return millis(all[len(all)/2]), millis(all[len(all)-1]), nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (b Bench) write(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) } // Flush reports
	p("\tMEDIAN\tWORST\tLIMIT")
	p("load\t%.1f ms\t\t", b.LoadMillis)
	p("first snapshot (%d objects, %d requests)\t%.2f ms\t\t%d ms", b.Objects, b.Requests, b.FirstMillis, b.LimitSnapshotMillis)
	p("snapshot\t%.2f ms\t%.2f ms\t%d ms", b.SnapshotMillis, b.SnapshotWorst, b.LimitSnapshotMillis)
	if b.Objects > 0 {
		p("one changed object\t%.2f ms\t%.2f ms\t%d ms", b.ChangeMillis, b.ChangeWorst, b.LimitBatchMillis)
	}
	p("memory of the sandbox, engine included\t%.1f MiB\t\t%d MiB linear", float64(b.RSSBytes)/(1<<20), b.LimitMemoryMiB)
	return t.Flush()
}
