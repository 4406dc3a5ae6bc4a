// Package errand is what tests/kernel and the machine that it boots say to each
// other: which programs to run, and how they ended.
package errand

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// Errand is one program that the guest runs.
type Errand struct {
	Name string   `json:"name"`
	Dir  string   `json:"dir"`  // where it runs
	Args []string `json:"args"` // the program first
	// Limit is after which it is ended.
	Limit time.Duration `json:"limit"`
}

// File is where the guest finds its errands, in JSON.
const File = "/work/errands"

// Read gives the errands in the order in which they are to be run.
func Read() ([]Errand, error) {
	content, err := os.ReadFile(File)
	if err != nil {
		return nil, err
	}
	var list []Errand
	if err := json.Unmarshal(content, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", File, err)
	}
	return list, nil
}

// Lines of the guest that begin with a mark are not for people. What follows the
// mark is a Result in JSON, or nothing.
const (
	ResultMark = "SLUICE-GUEST-RESULT "
	EndMark    = "SLUICE-GUEST-END" // all was run; the machine turns itself off
)

// Result is how an errand ended.
type Result struct {
	Name    string  `json:"name"`
	Code    int     `json:"code"` // of the program
	Seconds float64 `json:"seconds"`
}
