package figures

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	table := New("one")
	all := make([]time.Duration, 200)
	for i := range all {
		all[i] = time.Duration(200-i) * time.Millisecond
	}
	table.Percentiles("waiting", all, 197, "")
	table.Add(Figure{Work: "memory", Value: 3, Unit: "MiB", Aim: 3})
	if p := table.Figures; p[0].Value != 100 || p[0].Met != nil || p[1].Value != 198 || *p[1].Met || !*p[2].Met {
		t.Errorf("%+v", p)
	}
	var out bytes.Buffer
	if err := table.Write(&out); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "waiting, p99  198 ms  ≤ 197  NO") {
		t.Errorf("printed:\n%s", text)
	}
}

// A later run takes the place of an earlier one, and of no other benchmark.
func TestSave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	for _, name := range []string{"one", "two", "one"} {
		if err := New(name).Save(path); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []Table
	if err := json.Unmarshal(text, &all); err != nil || len(all) != 2 || all[0].Name != "two" || all[1].Name != "one" {
		t.Errorf("%v: %s", err, text)
	}
	if err := os.WriteFile(path, []byte("no JSON"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := New("one").Save(path); err == nil {
		t.Error("a file of something else was written over")
	}
}
