package lab

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// TableStyle says how a table may look.
type TableStyle struct {
	ASCII bool // no symbols outside of ASCII
	Width int  // columns of the page; wider tables are folded. Zero means 100
}

// DefaultStyle follows the locale (locale(7): LC_ALL before LC_CTYPE before
// LANG).
func DefaultStyle() TableStyle {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(name); value != "" {
			upper := strings.ToUpper(value)
			return TableStyle{ASCII: !strings.Contains(upper, "UTF-8") && !strings.Contains(upper, "UTF8")}
		}
	}
	return TableStyle{ASCII: true}
}

// column is one port of one end.
type column struct {
	to   string
	port string // "80/TCP"
}

// WriteTable writes the matrix for people: a row for each sender, a column for
// each port of each receiver. A cell stands for both address families; where
// they differ it names the one that connects. Of a Service it may be that some
// backends are reached and some are not.
func (m *Matrix) WriteTable(out io.Writer, style TableStyle) error {
	if style.Width == 0 {
		style.Width = 100
	}
	rows, columns, cells := m.arrange(style)
	var text strings.Builder
	first := 4
	for _, row := range rows {
		first = max(first, utf8.RuneCountInString(row))
	}
	for len(columns) > 0 {
		n := fits(columns, style.Width-first)
		writeBlock(&text, first, rows, columns[:n], cells)
		columns = columns[n:]
		if len(columns) > 0 {
			text.WriteByte('\n')
		}
	}
	m.writeNotes(&text, style)
	_, err := io.WriteString(out, text.String())
	return err
}

type cellKey struct {
	from string
	column
}

// arrange sorts the probes into rows and columns, in the order in which they
// were made.
func (m *Matrix) arrange(style TableStyle) (rows []string, columns []column, cells map[cellKey]string) {
	families := make(map[cellKey][2]string) // outcome in IPv4 and IPv6
	add := func(from, to, address, protocol string, port uint16, outcome string) {
		key := cellKey{from, column{to, fmt.Sprintf("%d/%s", port, protocol)}}
		if !slices.Contains(rows, from) {
			rows = append(rows, from)
		}
		if !slices.Contains(columns, key.column) {
			columns = append(columns, key.column)
		}
		both := families[key]
		if strings.Contains(address, ":") {
			both[1] = outcome
		} else {
			both[0] = outcome
		}
		families[key] = both
	}
	for _, p := range m.Probes {
		outcome := "no"
		switch {
		case p.Connected:
			outcome = "yes"
		case p.Partly:
			outcome = "some"
		}
		add(p.From, p.To, p.Address, p.Protocol, p.Port, outcome)
	}
	for _, u := range m.Unusable {
		add(u.From, u.To, u.Address, u.Protocol, u.Port, "unusable")
	}
	columns = groupByReceiver(columns)
	cells = make(map[cellKey]string, len(families))
	for key, both := range families {
		cells[key] = symbol(both[0], both[1], style)
	}
	return rows, columns, cells
}

// groupByReceiver keeps the order of receivers and puts their ports together.
func groupByReceiver(columns []column) []column {
	var order []string
	for _, c := range columns {
		if !slices.Contains(order, c.to) {
			order = append(order, c.to)
		}
	}
	slices.SortStableFunc(columns, func(a, b column) int {
		return slices.Index(order, a.to) - slices.Index(order, b.to)
	})
	return columns
}

func symbol(v4, v6 string, style TableStyle) string {
	yes, no, some, unusable := "✓", "✗", "±", "–"
	if style.ASCII {
		yes, no, some, unusable = "yes", ".", "some", "?"
	}
	switch {
	case v4 == "unusable" || v6 == "unusable":
		return unusable
	case v4 == "some" || v6 == "some":
		return some
	case v4 == "yes" && v6 == "no":
		return yes + "v4"
	case v4 == "no" && v6 == "yes":
		return yes + "v6"
	case v4 == "yes" || v6 == "yes":
		return yes
	}
	return no
}

// columnWidths: the name of a receiver stands above its first port and may
// spread over the others.
func columnWidth(columns []column, i int) int {
	width := max(utf8.RuneCountInString(columns[i].port), len("yes v4"))
	if i > 0 && columns[i-1].to == columns[i].to {
		return width
	}
	spread := 0
	for j := i + 1; j < len(columns) && columns[j].to == columns[i].to; j++ {
		spread += 2 + max(utf8.RuneCountInString(columns[j].port), len("yes v4"))
	}
	return max(width, utf8.RuneCountInString(columns[i].to)-spread)
}

// fits is the number of columns that have room, at least one, and rather all
// ports of a receiver than some.
func fits(columns []column, width int) int {
	used, whole := 0, 0
	for i := range columns {
		used += 2 + columnWidth(columns, i)
		if used > width && i > 0 {
			if whole > 0 {
				return whole
			}
			return i
		}
		if i+1 == len(columns) || columns[i+1].to != columns[i].to {
			whole = i + 1
		}
	}
	return len(columns)
}

func writeBlock(text *strings.Builder, first int, rows []string, columns []column, cells map[cellKey]string) {
	var names, ports strings.Builder
	pad(&names, "", first)
	pad(&ports, "from", first)
	for i, c := range columns {
		width := columnWidth(columns, i)
		if i == 0 || columns[i-1].to != c.to {
			// The name may run over the columns of the same receiver.
			missing := utf8.RuneCountInString(ports.String()) - utf8.RuneCountInString(names.String())
			names.WriteString(strings.Repeat(" ", max(0, missing)))
			names.WriteString("  " + c.to)
		}
		ports.WriteString("  ")
		pad(&ports, c.port, width)
	}
	text.WriteString(strings.TrimRight(names.String(), " ") + "\n")
	text.WriteString(strings.TrimRight(ports.String(), " ") + "\n")
	for _, row := range rows {
		var line strings.Builder
		pad(&line, row, first)
		for i, c := range columns {
			line.WriteString("  ")
			pad(&line, cells[cellKey{row, c}], columnWidth(columns, i))
		}
		text.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

func pad(text *strings.Builder, word string, width int) {
	text.WriteString(word)
	text.WriteString(strings.Repeat(" ", max(0, width-utf8.RuneCountInString(word))))
}

// writeNotes adds the sum and everything that a reader should not overlook.
func (m *Matrix) writeNotes(text *strings.Builder, style TableStyle) {
	connected, refused := m.Counts()
	fmt.Fprintf(text, "\n%d probes: %s %d connected, %s %d refused", len(m.Probes),
		symbol("yes", "yes", style), connected, symbol("no", "no", style), refused)
	if len(m.Unusable) > 0 {
		fmt.Fprintf(text, "; %s %d more did not connect with no policy in force either", symbol("unusable", "", style), len(m.Unusable))
	}
	text.WriteByte('\n')
	for _, p := range m.Probes {
		if p.Partly {
			fmt.Fprintf(text, "some backends alone: %s -> %s %s port %d/%s: answered by %s\n", p.From, p.To, p.Address, p.Port, p.Protocol, strings.Join(p.Answers, ", "))
		}
	}
	for _, u := range m.Unusable {
		fmt.Fprintf(text, "unusable: %s -> %s %s port %d/%s: %s\n", u.From, u.To, u.Address, u.Port, u.Protocol, u.Reason)
	}
	for _, r := range m.Rewritten {
		fmt.Fprintf(text, "source rewritten: %s -> %s %s port %d/%s came from %s\n", r.From, r.To, r.Address, r.Port, r.Protocol, r.Source)
	}
	for _, s := range m.Skipped {
		fmt.Fprintf(text, "skipped: %s %s port %d/%s: %s\n", s.To, s.Address, s.Port, s.Protocol, s.Reason)
	}
	for _, p := range m.Problems {
		fmt.Fprintf(text, "problem: %s\n", p)
	}
}
