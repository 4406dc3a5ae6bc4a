// Package figures is what the benchmarks of tests/cluster have measured, as text for
// people and as a file for programs.
//
// A figure with an aim says whether it is met. A figure alone never fails anything:
// the machine may have been busy.
package figures

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Figure is one thing that was measured.
type Figure struct {
	Work  string  `json:"work"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Aim is the most that it should be; 0: none was set.
	Aim  float64 `json:"aim,omitempty"`
	Met  *bool   `json:"met,omitempty"`
	Note string  `json:"note,omitempty"`
}

// Table is one benchmark with the machine that it ran on.
type Table struct {
	Name    string   `json:"name"`
	When    string   `json:"when"`
	CPUs    int      `json:"cpus"`
	Go      string   `json:"go"`
	Load    string   `json:"loadAverage"` // before it
	Figures []Figure `json:"figures"`
}

// New begins a table.
func New(name string) *Table {
	load, _ := os.ReadFile("/proc/loadavg") // what is missing stays empty
	averages := strings.Fields(string(load))
	return &Table{
		Name: name, When: time.Now().UTC().Format(time.RFC3339), CPUs: runtime.NumCPU(), Go: runtime.Version(),
		Load: strings.Join(averages[:min(3, len(averages))], " "),
	}
}

// Add takes a figure in.
func (t *Table) Add(f Figure) {
	if f.Aim != 0 {
		met := f.Value <= f.Aim
		f.Met = &met
	}
	t.Figures = append(t.Figures, f)
}

// Percentiles adds the median and the 99th of a hundred, by nearest rank, in
// milliseconds. The aim is that of the latter.
func (t *Table) Percentiles(work string, all []time.Duration, aim float64, note string) {
	if len(all) == 0 {
		return
	}
	sorted := slices.Sorted(slices.Values(all))
	at := func(p int) float64 {
		rank := (len(sorted)*p + 99) / 100
		return float64(sorted[max(rank, 1)-1].Microseconds()) / 1000
	}
	t.Add(Figure{Work: work + ", p50", Value: at(50), Unit: "ms", Note: note})
	t.Add(Figure{Work: work + ", p99", Value: at(99), Unit: "ms", Aim: aim, Note: fmt.Sprintf("of %d", len(all))})
}

// Write prints the table.
func (t *Table) Write(w io.Writer) error {
	fmt.Fprintf(w, "\n%s: %d CPUs, %s, load average before %s\n\n", t.Name, t.CPUs, t.Go, t.Load)
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "work\tfigure\taim\tmet?\tnote")
	for _, f := range t.Figures {
		aim, met := "-", "-"
		if f.Met != nil {
			aim, met = fmt.Sprintf("≤ %.4g", f.Aim), map[bool]string{true: "yes", false: "NO"}[*f.Met]
		}
		fmt.Fprintf(columns, "%s\t%.4g %s\t%s\t%s\t%s\n", f.Work, f.Value, f.Unit, aim, met, f.Note)
	}
	return columns.Flush()
}

// Save puts the table into a file of tables, in the place of one of the same name. An
// empty path saves nothing.
func (t *Table) Save(path string) error {
	if path == "" {
		return nil
	}
	var all []*Table
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &all)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("figures: %s is not what was saved there: %w: remove it", path, err)
	}
	all = append(slices.DeleteFunc(all, func(other *Table) bool { return other.Name == t.Name }), t)
	if text, err = json.MarshalIndent(all, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Finish prints the table and saves it where SLUICE_BENCH_RESULTS says.
func (t *Table) Finish(w io.Writer) error {
	return errors.Join(t.Write(w), t.Save(os.Getenv("SLUICE_BENCH_RESULTS")))
}
