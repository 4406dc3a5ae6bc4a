package conformance

import (
	"bytes"
	"io"
	"strings"
)

// lines passes on those lines that begin with one of some words.
type lines struct {
	to     io.Writer
	begin  []string
	buffer bytes.Buffer
}

func newLines(to io.Writer, begin ...string) *lines { return &lines{to: to, begin: begin} }

func (l *lines) Write(p []byte) (int, error) {
	l.buffer.Write(p)
	for {
		line, err := l.buffer.ReadString('\n')
		if err != nil {
			l.buffer.WriteString(line) // the rest of it is still to come
			return len(p), nil
		}
		for _, begin := range l.begin {
			if strings.HasPrefix(line, begin) {
				if _, err := io.WriteString(l.to, line); err != nil {
					return 0, err
				}
				break
			}
		}
	}
}
