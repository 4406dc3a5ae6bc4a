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
	output := strings.ReplaceAll(`^=== RUN   TestConformance/A
    x.go:1: noise
^=== RUN   TestConformance/A/Should_allow
^--- PASS: TestConformance/A/Should_allow (1.00s)
^=== RUN   TestConformance/A/Should_deny
    x.go:1: the first of many
    x.go:1: FAILED Command was [connect]
    x.go:2: Expected something else
    x.go:3: 
        	Error Trace:	x.go:4
^--- FAIL: TestConformance/A/Should_deny (0.50s)
^=== NAME  TestConformance/A
^--- FAIL: TestConformance/A (1.50s)
^=== RUN   TestConformance/B
    y.go:2: not supported
^--- SKIP: TestConformance/B (0.00s)
^--- FAIL: TestConformance (2.00s)
`, "^", "\x16")
	cases, err := parseGo(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	want := []Case{
		{Suite: PolicyAPI, Name: "A: Should allow", Outcome: Passed, Seconds: 1},
		{Suite: PolicyAPI, Name: "A: Should deny", Outcome: Failed, Why: "FAILED Command was [connect]: Expected something else", Seconds: 0.5},
		{Suite: PolicyAPI, Name: "B", Outcome: Skipped, Why: "not supported"},
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
