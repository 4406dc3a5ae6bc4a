package plugin

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/abi"
)

func TestLineLimiter(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	var count tally
	l := newLineLimiter(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})), &count)
	l.now = func() time.Time { return now }
	for range 250 {
		l.line(abi.LogInfo, []byte("same"))
	}
	now = now.Add(time.Second)
	l.line(abi.LogError, []byte("bad \xff byte\nand a line"))
	text := out.String()
	if n := strings.Count(text, "msg=same"); n != LogLinesPerSecond {
		t.Errorf("%d lines were shown", n)
	}
	if !strings.Contains(text, "dropped=150") || count.read().logDropped != 150 {
		t.Errorf("the count of what was dropped is wrong: %d, %s", count.read().logDropped, text[len(text)-200:])
	}
	if !strings.Contains(text, "level=ERROR msg=\"bad \uFFFD byte\\nand a line\"") {
		t.Errorf("the last lines are %s", text[len(text)-200:])
	}
}
