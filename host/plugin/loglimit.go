package plugin

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/sluice-net/sluice/abi"
)

// LogLinesPerSecond is how many lines of a module are shown. What is over is
// counted, and the count is shown.
const LogLinesPerSecond = 100

// lineLimiter shows the log lines of one generation. It is used by one goroutine
// at a time.
type lineLimiter struct {
	log     *slog.Logger
	tally   *tally
	now     func() time.Time
	second  time.Time
	lines   int
	dropped int
}

func newLineLimiter(log *slog.Logger, t *tally) *lineLimiter {
	return &lineLimiter{log: log, tally: t, now: time.Now}
}

func (l *lineLimiter) line(level abi.LogLevel, text []byte) {
	now := l.now()
	if now.Sub(l.second) >= time.Second {
		if l.dropped > 0 {
			l.log.Warn("the module logs too much", "dropped", l.dropped, "limit", LogLinesPerSecond)
		}
		l.second, l.lines, l.dropped = now, 0, 0
	}
	if l.lines++; l.lines > LogLinesPerSecond {
		l.dropped++
		l.tally.droppedLine()
		return
	}
	l.log.Log(context.Background(), slogLevel(level), strings.ToValidUTF8(string(text), "\uFFFD"))
}

func slogLevel(l abi.LogLevel) slog.Level {
	switch l {
	case abi.LogDebug:
		return slog.LevelDebug
	case abi.LogInfo:
		return slog.LevelInfo
	case abi.LogWarn:
		return slog.LevelWarn
	}
	return slog.LevelError
}
