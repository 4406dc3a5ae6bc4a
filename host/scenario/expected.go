package scenario

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// File is the name of the file with what is expected.
const File = "expected"

// Probe is one connection that was tried or judged.
type Probe struct {
	From, To  string // "namespace/pod", "host", "host:NODE" or "external"
	Address   string // of To
	Protocol  string
	Port      uint16
	Connected bool
	// Of a Service: who answers, sorted, and whether some of its backends may not be
	// reached (Connected is false then).
	Answers []string
	Partly  bool
}

func (p Probe) outcome() string {
	switch {
	case p.Connected:
		return "allow"
	case p.Partly:
		return "some"
	}
	return "deny"
}

func (p Probe) String() string {
	return fmt.Sprintf("%s -> %s %s %d/%s", p.From, p.To, p.Address, p.Port, p.Protocol)
}

func (p Probe) port() string { return fmt.Sprintf("%d/%s", p.Port, p.Protocol) }

// Expected is the content of a file:
//
//	FROM -> TO PORT/PROTOCOL OUTCOME [FAMILY]   # comment
//
// FROM and TO are names of the ends of probes, or patterns as in path.Match;
// "*" alone stands for every end, "*" as port for every port. OUTCOME is allow,
// deny, or any where the answer is left open; to a Service also some, where some of
// its backends may be reached. After a "=" it names who answers, all of them, with
// commas between: "allow=shop/a,shop/b". FAMILY is v4 or v6, both if it is missing.
// The first line that fits a probe decides; a line that fits none is a mistake.
type Expected struct {
	path  string
	lines []line
}

type line struct {
	number                                   int
	from, to, port, outcome, answers, family string
}

// Read reads a file. The error names the line.
func Read(path string) (*Expected, error) {
	content, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	e := &Expected{path: path}
	lines := bufio.NewScanner(content)
	for number := 1; lines.Scan(); number++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		if len(fields) < 5 || len(fields) > 6 || fields[1] != "->" {
			return nil, fmt.Errorf("%s:%d: want FROM -> TO PORT/PROTOCOL OUTCOME [FAMILY]", path, number)
		}
		one := line{number: number, from: fields[0], to: fields[2], port: fields[3], outcome: fields[4]}
		if len(fields) == 6 {
			one.family = fields[5]
		}
		one.outcome, one.answers, _ = strings.Cut(one.outcome, "=")
		switch {
		case !slices.Contains([]string{"allow", "deny", "some", "any"}, one.outcome):
			return nil, fmt.Errorf("%s:%d: outcome %q is not allow, deny, some or any", path, number, one.outcome)
		case one.family != "" && one.family != "v4" && one.family != "v6":
			return nil, fmt.Errorf("%s:%d: family %q is not v4 or v6", path, number, one.family)
		}
		e.lines = append(e.lines, one)
	}
	return e, lines.Err()
}

// Ports are those, as "80/TCP", that lines about this end name.
func (e *Expected) Ports(to string) []string {
	var ports []string
	for _, l := range e.lines {
		if l.port != "*" && matches(l.to, to) {
			ports = append(ports, l.port)
		}
	}
	return ports
}

// Fault is one thing that is not as expected.
type Fault struct {
	Line int    `json:"line"`
	Text string `json:"text"`
}

// Check compares. Skipped are ports that could not be probed: a line about one of
// them that fits no probe is no mistake.
func (e *Expected) Check(probes, skipped []Probe) []Fault {
	var faults []Fault
	used := make([]bool, len(e.lines))
	for _, p := range probes {
		for i, l := range e.lines {
			if !l.fits(p) {
				continue
			}
			used[i] = true
			if l.outcome != "any" && l.outcome != p.outcome() {
				faults = append(faults, Fault{l.number, fmt.Sprintf("%s is %s, %s:%d says %s", p, p.outcome(), e.path, l.number, l.outcome)})
			}
			if answers := strings.Join(p.Answers, ","); l.answers != "" && answers != l.answers {
				faults = append(faults, Fault{l.number, fmt.Sprintf("%s is answered by %q, %s:%d says %q", p, answers, e.path, l.number, l.answers)})
			}
			break
		}
	}
	for i, l := range e.lines {
		if !used[i] && !slices.ContainsFunc(skipped, func(p Probe) bool { return matches(l.to, p.To) && l.port == p.port() }) {
			faults = append(faults, Fault{l.number, fmt.Sprintf("%s:%d fits no probe", e.path, l.number)})
		}
	}
	return faults
}

func (l line) fits(p Probe) bool {
	return matches(l.from, p.From) && matches(l.to, p.To) &&
		(l.port == "*" || l.port == p.port()) &&
		(l.family == "" || l.family == Family(p.Address))
}

// matches says whether a name fits a pattern of a line.
func matches(pattern, name string) bool {
	if pattern == "*" {
		return true
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// Family of an address: v4 or v6.
func Family(address string) string {
	if strings.Contains(address, ":") {
		return "v6"
	}
	return "v4"
}
