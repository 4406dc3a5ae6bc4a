package child

import (
	"bytes"

	"github.com/sluice-net/sluice/abi"
)

// logWriter turns what a module writes to its standard streams into log lines.
type logWriter struct {
	link  *link
	level abi.LogLevel
	line  []byte
}

// maxLine is where a line without an end is cut.
const maxLine = 4 << 10

func (w *logWriter) Write(b []byte) (int, error) {
	written := len(b)
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		part := b
		if end >= 0 {
			part = b[:end]
		}
		if room := maxLine - len(w.line); len(part) > room {
			w.line = append(w.line, part[:room]...)
			b = b[room:]
		} else {
			w.line = append(w.line, part...)
			if end < 0 {
				return written, nil
			}
			b = b[end+1:]
		}
		if err := w.link.log(w.level, w.line); err != nil {
			return 0, err
		}
		w.line = w.line[:0]
	}
	return written, nil
}
