package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// row is one line of the table.
type row struct {
	Work   string  `json:"work"`
	Figure float64 `json:"figure"`
	Unit   string  `json:"unit"`
	// Peer is what the figure is compared with, measured in the same run, in the
	// same unit; empty if there is nothing to compare with.
	Peer       string  `json:"peer,omitempty"`
	PeerFigure float64 `json:"peerFigure,omitempty"`
	// Ratio is Figure / PeerFigure; 0 without a peer.
	Ratio float64 `json:"ratio,omitempty"`
	Aim   aim     `json:"aim"`
	Met   *bool   `json:"met,omitempty"`  // nil without an aim
	Note  string  `json:"note,omitempty"` // where the figure comes from
}

// aim is a bound of the figure or of the ratio. The zero aim is none.
type aim struct {
	Of    string  `json:"of,omitempty"` // "figure" or "ratio"
	Least bool    `json:"least,omitempty"`
	Limit float64 `json:"limit"`
	// Own says that the issue of the work set no aim and this is ours.
	Own bool `json:"own,omitempty"`
}

func atMost(limit float64) aim      { return aim{Of: "figure", Limit: limit} }
func atLeast(limit float64) aim     { return aim{Of: "figure", Limit: limit, Least: true} }
func ratioAtMost(limit float64) aim { return aim{Of: "ratio", Limit: limit} }
func (a aim) own() aim              { a.Own = true; return a }

func (a aim) met(r row) *bool {
	value := r.Figure
	switch a.Of {
	case "":
		return nil
	case "ratio":
		value = r.Ratio
	}
	met := value <= a.Limit
	if a.Least {
		met = value >= a.Limit
	}
	return &met
}

func (a aim) text(unit string) string {
	sign := "≤ "
	if a.Least {
		sign = "≥ "
	}
	switch a.Of {
	case "":
		return "-"
	case "ratio":
		return sign + number(a.Limit) + " × peer"
	}
	return sign + quantity(a.Limit, unit)
}

// table collects rows. Measurements run one after the other.
type table struct {
	Machine machine            `json:"machine"`
	Rows    []row              `json:"rows"`
	Seconds map[string]float64 `json:"seconds"` // that each measurement took
}

type machine struct {
	When string `json:"when"`
	CPUs int    `json:"cpus"`
	Go   string `json:"go"`
	OVS  string `json:"ovs"`
	Load string `json:"loadAverage"` // before the first measurement
}

func newTable() *table {
	ovs, _ := exec.Command("ovs-vswitchd", "--version").Output() // what is missing stays empty
	first, _, _ := strings.Cut(string(ovs), "\n")
	load, _ := os.ReadFile("/proc/loadavg")
	return &table{
		Machine: machine{
			When: time.Now().UTC().Format(time.RFC3339), CPUs: runtime.NumCPU(), Go: runtime.Version(), OVS: first,
			Load: strings.Join(strings.Fields(string(load))[:min(3, len(strings.Fields(string(load))))], " "),
		},
		Seconds: map[string]float64{},
	}
}

func (t *table) took(name string, d time.Duration) { t.Seconds[name] = round3(d.Seconds()) }

func (t *table) add(r row) {
	if r.PeerFigure != 0 {
		r.Ratio = round3(r.Figure / r.PeerFigure)
	}
	r.Figure, r.PeerFigure = round3(r.Figure), round3(r.PeerFigure)
	r.Met = r.Aim.met(r)
	t.Rows = append(t.Rows, r)
}

// write prints the table and, if file is not empty, writes it there as JSON.
func (t *table) write(w io.Writer, file string) error {
	fmt.Fprintf(w, "\n%d CPUs, %s, %s, load average before %s\n\n", t.Machine.CPUs, t.Machine.Go, t.Machine.OVS, t.Machine.Load)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "work\tfigure\tpeer\tratio\taim\tmet?")
	missed := 0
	for _, r := range t.Rows {
		peer, ratio, met := "-", "-", "-"
		if r.Peer != "" {
			peer, ratio = r.Peer+": "+quantity(r.PeerFigure, r.Unit), number(r.Ratio)
		}
		if r.Met != nil {
			met = "yes"
			if !*r.Met {
				met = "NO"
				missed++
			}
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Work, quantity(r.Figure, r.Unit), peer, ratio, r.Aim.text(r.Unit), met)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, r := range t.Rows {
		if r.Note != "" {
			fmt.Fprintf(w, "\n%s: %s\n", r.Work, r.Note)
		}
	}
	fmt.Fprintf(w, "\n%d figures, %d miss their aim. tests/bench/README.md says how to read this.\n\n", len(t.Rows), missed)
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// missed lists the rows that have an aim and do not meet it.
func (t *table) missed(unit string) (works []string) {
	for _, r := range t.Rows {
		if r.Unit == unit && r.Met != nil && !*r.Met {
			works = append(works, fmt.Sprintf("%s: %s, the aim is %s", r.Work, quantity(r.Figure, r.Unit), r.Aim.text(r.Unit)))
		}
	}
	return works
}

func quantity(v float64, unit string) string { return strings.TrimSpace(number(v) + " " + unit) }

// number writes three significant digits, and thousands with spaces.
func number(v float64) string {
	switch {
	case v == math.Trunc(v) || math.Abs(v) >= 100:
		digits := fmt.Sprintf("%.0f", v)
		for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
			digits = digits[:i] + " " + digits[i:]
		}
		return digits
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	case math.Abs(v) >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func round3(v float64) float64 {
	if v == 0 || math.Abs(v) >= 1000 {
		return math.Round(v)
	}
	scale := math.Pow(10, 3-math.Ceil(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}
