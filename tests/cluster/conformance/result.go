package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Outcome of a case.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
)

// Case is one case of a suite and how it went.
type Case struct {
	Suite   string  `json:"suite"`
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	Why     string  `json:"why,omitempty"` // it failed or was skipped
	Seconds float64 `json:"seconds,omitempty"`
}

// Results are cases of several runs; a case that was run again replaces itself.
type Results struct {
	Versions map[string]string `json:"versions"` // of the suites
	Cases    []Case            `json:"cases"`
}

// Load reads the results of earlier runs, if there are some.
func Load(file string) (Results, error) {
	r := Results{Versions: map[string]string{}}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	return r, err
}

// Save writes them.
func (r *Results) Save(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// Add puts the cases of a run in.
func (r *Results) Add(cases []Case) {
	for _, c := range cases {
		same := func(other Case) bool { return other.Suite == c.Suite && other.Name == c.Name }
		r.Cases = append(slices.DeleteFunc(r.Cases, same), c)
	}
	slices.SortStableFunc(r.Cases, func(a, b Case) int {
		return strings.Compare(a.Suite+"\x00"+a.Name, b.Suite+"\x00"+b.Name)
	})
}

// Count is how many cases of a suite went in a way.
func (r *Results) Count(suite string, outcome Outcome) (n int) {
	for _, c := range r.Cases {
		if c.Suite == suite && c.Outcome == outcome {
			n++
		}
	}
	return n
}

// Table is the results for people, in Markdown.
func (r *Results) Table() string {
	var out strings.Builder
	var suites []string
	for _, c := range r.Cases {
		if !slices.Contains(suites, c.Suite) {
			suites = append(suites, c.Suite)
		}
	}
	out.WriteString("| suite | release | passed | failed | skipped |\n| --- | --- | --- | --- | --- |\n")
	for _, s := range suites {
		fmt.Fprintf(&out, "| %s | %s | %d | %d | %d |\n", s, r.Versions[s], r.Count(s, Passed), r.Count(s, Failed), r.Count(s, Skipped))
	}
	for _, s := range suites {
		fmt.Fprintf(&out, "\n## %s\n\n| case | | |\n| --- | --- | --- |\n", s)
		for _, c := range r.Cases {
			if c.Suite == s {
				fmt.Fprintf(&out, "| %s | %s | %s |\n", cell(c.Name), c.Outcome, cell(c.Why))
			}
		}
	}
	return out.String()
}

// cell keeps a text in its place in a table.
func cell(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return strings.ReplaceAll(text, "|", "\\|")
}
