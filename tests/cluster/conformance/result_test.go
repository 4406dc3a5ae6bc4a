package conformance

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestResults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	r, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	r.Versions["a"] = "v1"
	r.Add([]Case{{Suite: "a", Name: "y", Outcome: Failed, Why: "a | b\nmore"}, {Suite: "a", Name: "x", Outcome: Passed}})
	if err := r.Save(file); err != nil {
		t.Fatal(err)
	}
	if r, err = Load(file); err != nil {
		t.Fatal(err)
	}
	r.Add([]Case{{Suite: "a", Name: "x", Outcome: Skipped, Why: "no kernel"}, {Suite: "b", Name: "z", Outcome: Passed}})
	want := `| suite | release | passed | failed | skipped |
| --- | --- | --- | --- | --- |
| a | v1 | 0 | 1 | 1 |
| b |  | 1 | 0 | 0 |

## a

| case | | |
| --- | --- | --- |
| x | skipped | no kernel |
| y | failed | a \| b |

## b

| case | | |
| --- | --- | --- |
| z | passed |  |
`
	if got := r.Table(); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestPolicyAPIOutput(t *testing.T) {
	const output = `=== RUN   TestConformance/A
    x.go:1: noise
    --- PASS: TestConformance/A (1.50s)
        --- PASS: TestConformance/A/Should_allow (1.00s)
        --- FAIL: TestConformance/A/Should_deny (0.50s)
    --- SKIP: TestConformance/B (0.00s)
--- FAIL: TestConformance (2.00s)
`
	cases, err := parseGo(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	want := []Case{
		{Suite: PolicyAPI, Name: "A: Should allow", Outcome: Passed, Seconds: 1},
		{Suite: PolicyAPI, Name: "A: Should deny", Outcome: Failed, Seconds: 0.5},
		{Suite: PolicyAPI, Name: "B", Outcome: Skipped},
	}
	if len(cases) != len(want) {
		t.Fatalf("got %+v", cases)
	}
	for i, c := range cases {
		if c != want[i] {
			t.Errorf("got %+v, want %+v", c, want[i])
		}
	}
}
