package lab

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
)

// expectation is one line of a file named "expected":
//
//	FROM -> TO PORT/PROTOCOL OUTCOME [FAMILY]   # comment
//
// FROM and TO are names of the ends of probes, or patterns as in path.Match;
// "*" alone stands for every end, "*" as port for every port. OUTCOME is allow,
// deny, or any where the answer is left open; to a Service also some, where some of
// its backends may be reached. After a "=" it names who answers, all of them, with
// commas between: "allow=shop/a,shop/b". FAMILY is v4 or v6, both if it is
// missing. The first line that fits a probe decides; a line that fits none is a
// mistake.
type expectation struct {
	line                    int
	from, to, port, outcome string
	answers                 string
	family                  string
	used                    bool
}

func (e expectation) fits(p lab.Probe) bool {
	port := fmt.Sprintf("%d/%s", p.Port, p.Protocol)
	return matches(e.from, p.From) && matches(e.to, p.To) &&
		(e.port == "*" || e.port == port) && (e.family == "" || e.family == familyOf(p.Address))
}

func matches(pattern, name string) bool {
	if pattern == "*" {
		return true
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

func familyOf(address string) string {
	if strings.Contains(address, ":") {
		return "v6"
	}
	return "v4"
}

func readExpected(t *testing.T, file string) []expectation {
	t.Helper()
	content, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	var all []expectation
	lines := bufio.NewScanner(content)
	for number := 1; lines.Scan(); number++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		if len(fields) < 5 || len(fields) > 6 || fields[1] != "->" {
			t.Fatalf("%s:%d: want FROM -> TO PORT/PROTOCOL OUTCOME [FAMILY]", file, number)
		}
		one := expectation{line: number, from: fields[0], to: fields[2], port: fields[3], outcome: fields[4]}
		if len(fields) == 6 {
			one.family = fields[5]
		}
		one.outcome, one.answers, _ = strings.Cut(one.outcome, "=")
		switch {
		case !slices.Contains([]string{"allow", "deny", "some", "any"}, one.outcome):
			t.Fatalf("%s:%d: outcome %q is not allow, deny, some or any", file, number, one.outcome)
		case one.family != "" && one.family != "v4" && one.family != "v6":
			t.Fatalf("%s:%d: family %q is not v4 or v6", file, number, one.family)
		}
		all = append(all, one)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// checkExpected compares what the lab measured with what a person wrote down.
func checkExpected(t *testing.T, file string, matrix *lab.Matrix) {
	t.Helper()
	expected := readExpected(t, file)
	for _, probe := range matrix.Probes {
		for i := range expected {
			one := &expected[i]
			if !one.fits(probe) {
				continue
			}
			one.used = true
			if one.outcome != "any" && one.outcome != verdictOf(probe) {
				t.Errorf("packets: %s is %s, %s:%d says %s", show(probe), verdictOf(probe), file, one.line, one.outcome)
			}
			if answers := strings.Join(probe.Answers, ","); one.answers != "" && answers != one.answers {
				t.Errorf("packets: %s is answered by %q, %s:%d says %q", show(probe), answers, file, one.line, one.answers)
			}
			break
		}
	}
	for _, one := range expected {
		if !one.used && !onlySkipped(one, matrix) {
			t.Errorf("%s:%d fits no probe", file, one.line)
		}
	}
}

// onlySkipped tells whether the line is about a port that this machine cannot
// listen on.
func onlySkipped(one expectation, matrix *lab.Matrix) bool {
	for _, skipped := range matrix.Skipped {
		if matches(one.to, skipped.To) && one.port == fmt.Sprintf("%d/%s", skipped.Port, skipped.Protocol) {
			return true
		}
	}
	return false
}

func show(p lab.Probe) string {
	return fmt.Sprintf("%s -> %s %s %d/%s", p.From, p.To, p.Address, p.Port, p.Protocol)
}

func verdictOf(p lab.Probe) string {
	switch {
	case p.Connected:
		return "allow"
	case p.Partly:
		return "some"
	}
	return "deny"
}
