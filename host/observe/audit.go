package observe

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// AuditOptions of an AuditLog. Zero means the default.
type AuditOptions struct {
	// Path of the file. Its directory is made if it is missing.
	Path string
	// MaxBytes is when the file becomes Path.1, in place of the one before, so
	// that there are never more than two. Default 64 MiB. Whoever wants more
	// history copies it away, or lets logrotate do so with copytruncate: the file is
	// only ever appended to.
	MaxBytes int64
	// Rate is how many lines a second, Burst how many at once after a pause.
	// Defaults 100 and 200.
	Rate, Burst int
	// Quiet is how long the same decision about the same connection is not
	// written again: a sender that is denied tries again. Default 10 s.
	Quiet  time.Duration
	Logger *slog.Logger
	// Metrics count, unless nil.
	Metrics *DecisionMetrics
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// AuditLog is a file with one line of JSON for each decision about a new
// connection: an AuditLine. Lines above the rate are dropped, and counted by a line
// {"time":…,"dropped":N}, at most one a second. It may be used from any goroutine.
type AuditLog struct {
	o AuditOptions

	mu       sync.Mutex
	file     *os.File
	size     int64
	tokens   float64
	filled   time.Time // when tokens was right
	dropped  uint64
	told     time.Time // when dropped lines were last counted
	broken   bool      // the last write failed
	lately   map[auditKey]struct{}
	before   map[auditKey]struct{} // the generation before lately
	turnover time.Time
}

// auditKey is what makes two lines the same.
type auditKey struct {
	Direction, Verdict, Source, Destination, Protocol string
	SourcePort, DestinationPort                       uint16
	By                                                uint32
}

// maxRemembered bounds what is remembered of lines written lately.
const maxRemembered = 8192

// OpenAuditLog opens or makes the file.
func OpenAuditLog(o AuditOptions) (*AuditLog, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = 64 << 20
	}
	if o.Rate == 0 {
		o.Rate, o.Burst = 100, 200
	}
	if o.Quiet == 0 {
		o.Quiet = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	now := o.Now()
	l := &AuditLog{o: o, tokens: float64(o.Burst), filled: now, told: now, turnover: now, lately: map[auditKey]struct{}{}}
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o755); err != nil {
		return nil, fmt.Errorf("audit.file %s: %w", o.Path, err)
	}
	if err := l.open(); err != nil {
		return nil, err
	}
	return l, nil
}

// open opens the file for appending. Who may read what Pods do is for the owner
// to say.
func (l *AuditLog) open() error {
	f, err := os.OpenFile(l.o.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("audit.file %s: %w", l.o.Path, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("audit.file %s: %w", l.o.Path, err)
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Write writes a line, unless the same was written lately (only if the line is a
// denial: an allowed connection is opened once) or there are too many.
func (l *AuditLog) Write(line *AuditLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.o.Now()
	if line.Verdict != "allow" && l.repeats(line.key(), now) {
		return
	}
	l.refill(now)
	if l.tokens < 1 {
		l.drop(1, "rate")
		l.tellDropped(now)
		return
	}
	l.tokens--
	l.tellDropped(now)
	line.Time = now
	l.append(line)
}

// Dropped counts lines that were lost on their way to the log.
func (l *AuditLog) Dropped(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(n, "switch")
	l.tellDropped(l.o.Now())
}

// Flush writes the count of what was dropped since the last, if a second has
// passed. Somebody calls it now and then, as the flood may be over.
func (l *AuditLog) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tellDropped(l.o.Now())
}

// Close ends the log, counting what was dropped.
func (l *AuditLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = time.Time{}
	l.tellDropped(l.o.Now())
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

func (l *AuditLog) drop(n uint64, where string) {
	l.dropped += n
	if l.o.Metrics != nil {
		l.o.Metrics.AuditDropped.WithLabelValues(where).Add(float64(n))
	}
}

func (l *AuditLog) refill(now time.Time) {
	l.tokens = min(float64(l.o.Burst), l.tokens+now.Sub(l.filled).Seconds()*float64(l.o.Rate))
	l.filled = now
}

func (l *AuditLog) tellDropped(now time.Time) {
	if l.dropped == 0 || now.Sub(l.told) < time.Second {
		return
	}
	l.append(&droppedLine{Time: now, Dropped: l.dropped})
	l.dropped, l.told = 0, now
}

// repeats remembers a line and says whether it was there already. Two generations
// take turns, so a line is remembered for Quiet at least, and twice that at
// most.
func (l *AuditLog) repeats(key auditKey, now time.Time) bool {
	if since := now.Sub(l.turnover); since >= l.o.Quiet || len(l.lately) >= maxRemembered {
		l.before, l.lately = l.lately, map[auditKey]struct{}{}
		if since >= 2*l.o.Quiet {
			l.before = nil
		}
		l.turnover = now
	}
	_, lately := l.lately[key]
	_, then := l.before[key]
	if lately || then {
		return true
	}
	l.lately[key] = struct{}{}
	return false
}

// append writes a line, turning the file over first if it would grow too large.
func (l *AuditLog) append(line any) {
	text, err := json.Marshal(line)
	if err == nil {
		text = append(text, '\n')
		err = l.turn(int64(len(text)))
	}
	if err == nil {
		var n int
		n, err = l.file.Write(text)
		l.size += int64(n)
	}
	switch {
	case err != nil && !l.broken:
		l.o.Logger.Error("the audit log cannot be written; decisions are not logged until it can", "file", l.o.Path, "error", err)
	case err == nil && l.broken:
		l.o.Logger.Info("the audit log is written again", "file", l.o.Path)
	}
	l.broken = err != nil
	if _, isLine := line.(*AuditLine); isLine {
		if err != nil {
			l.drop(1, "file")
		} else if l.o.Metrics != nil {
			l.o.Metrics.AuditLines.Inc()
		}
	}
}

// turn makes room for n bytes.
func (l *AuditLog) turn(n int64) error {
	if l.file == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	if l.size+n <= l.o.MaxBytes {
		return nil
	}
	if info, err := l.file.Stat(); err == nil && info.Size() < l.size {
		l.size = info.Size() // somebody has truncated it
		return nil
	}
	err := l.file.Close()
	l.file = nil
	if err == nil {
		err = os.Rename(l.o.Path, l.o.Path+".1")
	}
	if err != nil {
		return err
	}
	return l.open()
}
