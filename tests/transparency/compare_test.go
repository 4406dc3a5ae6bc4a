package transparency

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
)

// Every packet arrives exactly as it would without Sluice, and what is lost is
// lost without it too.
func TestPacketsArriveAsWithoutSluice(t *testing.T) {
	for _, mtu := range []int{1500, 9000} {
		t.Run(fmt.Sprintf("MTU %d", mtu), func(t *testing.T) {
			t.Parallel()
			options := lab.Options{MTU: mtu, PodMTU: map[string]int{small: mtu - reduction}}
			options.PolicyFree = true
			without := newCourse(t, start(t, options), true, mtu)
			options.PolicyFree = false
			with := newCourse(t, start(t, options), false, mtu)
			for number, policy := range []string{"no policy", "a policy that allows all"} {
				if number == 1 {
					apply(t, with.lab, allowAll)
				}
				var results [2]result
				t.Run(policy, func(t *testing.T) {
					for i, c := range []*course{without, with} {
						t.Run(c.name(), func(t *testing.T) {
							t.Parallel()
							results[i] = c.round(t, number, paths())
						})
					}
				})
				where := situation{fmt.Sprintf("MTU %d, %s", mtu, policy), number == 1, with.lab}
				compare(t, where, results[0], results[1])
			}
		})
	}
}

// So they do where nodes and Pods are wired as those of clouds. Pod a, from and to
// which most packets go, is on the node's second interface where there is one.
func TestPacketsArriveAsWithoutSluiceBehindClouds(t *testing.T) {
	for _, layout := range []string{lab.PrimaryEKS, lab.PrimaryAzure} {
		t.Run(layout, func(t *testing.T) {
			t.Parallel()
			const mtu = 1500
			along := paths()
			if layout == lab.PrimaryAzure { // its routes are those of ptp; what differs is between Pod and node
				along = slices.DeleteFunc(along, func(p path) bool { return p.size || p.to == west })
			}
			options := lab.Options{Primary: layout, PodMTU: map[string]int{small: mtu - reduction}}
			if layout == lab.PrimaryEKS {
				options.SecondInterface = []string{podA}
			}
			options.PolicyFree = true
			without := newCourse(t, start(t, options), true, mtu)
			options.PolicyFree = false
			with := newCourse(t, start(t, options), false, mtu)
			apply(t, with.lab, allowAll)
			var results [2]result
			t.Run("all packets", func(t *testing.T) {
				for i, c := range []*course{without, with} {
					t.Run(c.name(), func(t *testing.T) {
						t.Parallel()
						results[i] = c.round(t, 0, along)
					})
				}
			})
			compare(t, situation{"layout " + layout + ", a policy that allows all", true, with.lab}, results[0], results[1])
		})
	}
}

// compare fails the test where the results differ, and prints a table.
func compare(t *testing.T, where situation, without, with result) {
	t.Helper()
	cells, reasons := map[string]*tally{}, map[string]int{}
	for _, key := range keys(without, with) {
		a, b := without[key], with[key]
		if a == nil {
			a = &heard{}
		}
		if b == nil {
			b = &heard{}
		}
		cell := cellOf(cells, key)
		reason, known := where.excepted(key)
		switch same := slices.Equal(a.atReceiver, b.atReceiver) && slices.Equal(a.atSender, b.atSender); {
		case same && !known:
			cell.same++
		case known && !same:
			cell.known++
			reasons[reason]++
		case known:
			cell.different++
			t.Errorf("%s, %s, %s no longer differs: the exception can go (%s)", key.path, family(key.v6), key.kase, reason)
		default:
			cell.different++
			t.Errorf("%s, %s, %s (%s) differs:\n%s%s", key.path, family(key.v6), key.kase, where.title,
				difference("the receiver", a.atReceiver, b.atReceiver), difference("the sender", a.atSender, b.atSender))
		}
		cell.packets += len(a.atReceiver) + len(a.atSender)
	}
	s := table(where.title, cells)
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		s += fmt.Sprintf("known in %d: %s\n", reasons[reason], reason)
	}
	fmt.Println(s) // not to the test's log, which is shown when it fails: this is to be seen when it holds
}

// difference prints what only one of two runs has.
func difference(end string, without, with []string) string {
	var s strings.Builder
	list := func(name string, mine, theirs []string) {
		rest := slices.Clone(theirs)
		for _, packet := range mine {
			if i := slices.Index(rest, packet); i >= 0 {
				rest = slices.Delete(rest, i, i+1)
				continue
			}
			fmt.Fprintf(&s, "  %s, only %s Sluice: %s\n    %s\n", end, name, describe([]byte(packet)), shorten(dump([]byte(packet))))
		}
	}
	list("without", without, with)
	list("with", with, without)
	return s.String()
}

// shorten keeps the two ends of long packets.
func shorten(hexadecimal string) string {
	const most = 400
	if len(hexadecimal) <= most {
		return hexadecimal
	}
	return fmt.Sprintf("%s…(%d bytes)…%s", hexadecimal[:most-40], len(hexadecimal)/2, hexadecimal[len(hexadecimal)-40:])
}

// tally counts the cases of a cell of the table.
type tally struct{ same, known, different, packets int }

func (c tally) String() string {
	s := fmt.Sprintf("%d ok", c.same)
	if c.known > 0 {
		s += fmt.Sprintf(" %d known", c.known)
	}
	if c.different > 0 {
		s += fmt.Sprintf(" %d DIFFER", c.different)
	}
	return s
}

var columns = []string{"UDP", "TCP", "SCTP", "echo", "TTL", "DSCP/ECN", "fragments", "options", "other", "ICMP errors"}

func cellOf(cells map[string]*tally, key resultKey) *tally {
	name := rowName(key.path, key.v6)
	for _, protocol := range columns {
		if strings.HasSuffix(key.kase, " "+protocol) {
			name += "|" + protocol
		}
	}
	if cells[name] == nil {
		cells[name] = &tally{}
	}
	return cells[name]
}

func rowName(path string, v6 bool) string { return path + ", " + family(v6) }

func table(title string, cells map[string]*tally) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s: cases in which both ends saw the same packets\n%-36s", title, "")
	for _, protocol := range columns {
		fmt.Fprintf(&s, "%-15s", protocol)
	}
	s.WriteString("packets\n")
	for _, p := range paths() {
		for _, v6 := range []bool{false, true} {
			fmt.Fprintf(&s, "%-36s", rowName(p.name, v6))
			packets := 0
			for _, protocol := range columns {
				cell := cells[rowName(p.name, v6)+"|"+protocol]
				text := "-"
				if cell != nil {
					text = cell.String()
					packets += cell.packets
				}
				fmt.Fprintf(&s, "%-15s", text)
			}
			fmt.Fprintf(&s, "%d\n", packets)
		}
	}
	return s.String()
}
