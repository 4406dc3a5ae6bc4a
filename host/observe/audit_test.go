package observe

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// clock is a time that only moves when told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func openAudit(t *testing.T, o AuditOptions) (*AuditLog, *clock, *prometheus.Registry) {
	t.Helper()
	c := &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	r := prometheus.NewRegistry()
	o.Path, o.Now, o.Metrics = filepath.Join(t.TempDir(), "new", "audit.log"), c.Now, NewDecisionMetrics(r)
	l, err := OpenAuditLog(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, c, r
}

// counter is the value of a counter, with its only label or without any.
func counter(t *testing.T, r *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("there is no metric %s{%s}", name, label)
	return 0
}

func denial(port uint16) *AuditLine {
	return &AuditLine{
		Direction: "ingress", Verdict: "deny", Tier: "network", Module: "networkpolicy", Reason: "isolated, and no rule allows",
		Policies:    []AuditPolicy{{Resource: "networkpolicies.networking.k8s.io", Namespace: "shop", Name: "web"}},
		Source:      AuditEnd{Address: "10.0.0.1"},
		Destination: AuditEnd{Namespace: "shop", Pod: "db", Address: "10.0.0.2"},
		Protocol:    "TCP", SourcePort: port, DestinationPort: 80,
	}
}

func readLines(t *testing.T, path string) (lines []map[string]any) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var m map[string]any
		if err := json.Unmarshal(s.Bytes(), &m); err != nil {
			t.Fatalf("line %q: %v", s.Text(), err)
		}
		lines = append(lines, m)
	}
	return lines
}

func TestAuditLineIsTheDocumentedJSON(t *testing.T) {
	l, _, _ := openAudit(t, AuditOptions{})
	l.Write(denial(4000))
	got, err := os.ReadFile(l.o.Path)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"time":"2026-01-02T03:04:05Z","direction":"ingress","verdict":"deny","tier":"network","module":"networkpolicy",` +
		`"policies":[{"resource":"networkpolicies.networking.k8s.io","namespace":"shop","name":"web"}],"reason":"isolated, and no rule allows",` +
		`"source":{"address":"10.0.0.1"},"destination":{"namespace":"shop","pod":"db","address":"10.0.0.2"},` +
		`"protocol":"TCP","sourcePort":4000,"destinationPort":80}` + "\n"
	if string(got) != want {
		t.Errorf("line\n%swant\n%s", got, want)
	}
	if info, err := os.Stat(l.o.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v (%v), want 0600", info.Mode(), err)
	}
}

func TestAuditDropsAboveTheRateAndCounts(t *testing.T) {
	l, c, r := openAudit(t, AuditOptions{Rate: 10, Burst: 5})
	for i := range 100 {
		l.Write(denial(uint16(i)))
	}
	c.pass(time.Second) // 5 more
	for i := range 50 {
		l.Write(denial(uint16(1000 + i)))
	}
	l.Dropped(7)
	c.pass(time.Second)
	l.Flush()
	var written, dropped, counts int
	for _, line := range readLines(t, l.o.Path) {
		if n, is := line["dropped"]; is {
			dropped += int(n.(float64))
			counts++
		} else {
			written++
		}
	}
	if written != 10 || dropped != 95+45+7 || counts != 2 {
		t.Errorf("%d lines, %d dropped in %d counts; want 10, 147 in 2", written, dropped, counts)
	}
	if got := counter(t, r, "sluice_audit_lines_total", ""); got != 10 {
		t.Errorf("sluice_audit_lines_total is %v", got)
	}
	if got := counter(t, r, "sluice_audit_dropped_total", "rate"); got != 140 {
		t.Errorf("sluice_audit_dropped_total{rate} is %v", got)
	}
}

func TestAuditCountsOfWhatWasDroppedAreASecondApart(t *testing.T) {
	l, c, _ := openAudit(t, AuditOptions{Rate: 1, Burst: 1})
	for i := range 1000 {
		l.Write(denial(uint16(i)))
		c.pass(10 * time.Millisecond)
	}
	counts := 0
	for _, line := range readLines(t, l.o.Path) {
		if _, is := line["dropped"]; is {
			counts++
		}
	}
	if counts < 5 || counts > 10 {
		t.Errorf("%d counts of dropped lines in 10 s", counts)
	}
}

func TestAuditSaysADenialOnceInAWhile(t *testing.T) {
	l, c, _ := openAudit(t, AuditOptions{})
	for range 30 {
		l.Write(denial(1))
		c.pass(time.Second)
	}
	l.Write(denial(2))
	if n := len(readLines(t, l.o.Path)); n < 3 || n > 5 {
		t.Errorf("30 s of one denial and one of another make %d lines, want 3 to 5", n)
	}
	allowed := denial(3)
	allowed.Verdict = "allow"
	before := len(readLines(t, l.o.Path))
	l.Write(allowed)
	l.Write(allowed)
	if n := len(readLines(t, l.o.Path)) - before; n != 2 {
		t.Errorf("two connections that were allowed make %d lines", n)
	}
	for i := range 3 * maxRemembered {
		l.Write(&AuditLine{Verdict: "deny", SourcePort: uint16(i), DestinationPort: uint16(i >> 16)})
	}
	if n := len(l.lately) + len(l.before); n > 2*maxRemembered {
		t.Errorf("%d lines are remembered", n)
	}
}

func TestAuditTurnsOver(t *testing.T) {
	l, _, _ := openAudit(t, AuditOptions{Rate: 10000, Burst: 10000, MaxBytes: 4000})
	for i := range 100 {
		l.Write(denial(uint16(i)))
	}
	entries, err := os.ReadDir(filepath.Dir(l.o.Path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		if info, err := e.Info(); err != nil || info.Size() > 4000 || info.Size() < 400 {
			t.Errorf("%s has %d bytes (%v)", e.Name(), info.Size(), err)
		}
	}
	if strings.Join(names, " ") != "audit.log audit.log.1" {
		t.Errorf("files %v", names)
	}
	lines := append(readLines(t, l.o.Path+".1"), readLines(t, l.o.Path)...)
	for i, line := range lines {
		if want := float64(100 - len(lines) + i); line["sourcePort"] != want && want != 0 {
			t.Fatalf("line %d is of port %v, want %v: nothing may be lost between the files", i, line["sourcePort"], want)
		}
	}
}

func TestAuditGoesOnAfterATruncation(t *testing.T) {
	l, _, _ := openAudit(t, AuditOptions{MaxBytes: 1500})
	l.Write(denial(1))
	l.Write(denial(2))
	if err := os.Truncate(l.o.Path, 0); err != nil {
		t.Fatal(err)
	}
	l.Write(denial(3))
	l.Write(denial(4))
	if n := len(readLines(t, l.o.Path)); n != 2 {
		t.Errorf("%d lines after a truncation, want 2", n)
	}
}

func TestAuditSaysWhichFileItCannotOpen(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenAuditLog(AuditOptions{Path: dir}); err == nil || !strings.Contains(err.Error(), "audit.file "+dir) {
		t.Errorf("a directory as the file: %v", err)
	}
}
