package primary

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
)

// snapshot is all that Sluice may change on node east and in its Pods, one line
// for each thing. Neighbours that come and go by themselves, and counts, are
// left out.
func snapshot(t *testing.T, l *lab.Lab) []string {
	t.Helper()
	var lines []string
	objects := func(end string, args ...string) {
		var list []map[string]any
		out := in(t, l, end, append([]string{"ip", "-j", "-d"}, args...)...)
		if strings.TrimSpace(out) == "" {
			return
		}
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
		for _, object := range list {
			if state := fmt.Sprint(object["state"]); args[len(args)-1] == "neigh" && state != "[PERMANENT]" {
				continue
			}
			text, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, fmt.Sprintf("%s, ip %s: %s", end, strings.Join(args, " "), text))
		}
	}
	for _, family := range []string{"-4", "-6"} {
		objects(east, family, "addr")
		objects(east, family, "route", "show", "table", "all")
		objects(east, family, "rule")
		objects(east, family, "neigh")
		for _, pod := range []string{podA, podB} {
			objects(pod, family, "addr")
			objects(pod, family, "route", "show", "table", "all")
			objects(pod, family, "neigh")
		}
	}
	objects(east, "link")
	text := func(what, end string, args ...string) {
		for line := range strings.Lines(in(t, l, end, args...)) {
			lines = append(lines, end+", "+what+": "+strings.TrimSpace(counts.ReplaceAllString(line, "")))
		}
	}
	text("nft", east, "nft", "list", "ruleset")
	text("proxies", east, "ip", "-6", "neigh", "show", "proxy")
	for _, pod := range []string{podA, podB} {
		text("offload", pod, "ethtool", "-k", "eth0")
	}
	slices.Sort(lines)
	return lines
}

var counts = regexp.MustCompile(`packets \d+ bytes \d+`)

// compare fails the test with the lines that differ.
func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("%s, there is now %s", what, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s, there is no longer %s", what, line)
		}
	}
	if !t.Failed() && len(got) != len(want) {
		t.Errorf("%s, there are %d things instead of %d", what, len(got), len(want))
	}
}
