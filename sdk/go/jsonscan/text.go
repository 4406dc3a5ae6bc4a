package jsonscan

import (
	"unicode/utf16"
	"unicode/utf8"
)

// String reads a string into memory of its own; null is "". Half of a surrogate
// pair becomes U+FFFD, as in encoding/json.
func (d *Decoder) String() (string, error) {
	b, err := d.StringBytes()
	return string(b), err
}

// StringBytes is String without the copy: where the text has no escapes the
// slice is a part of it.
func (d *Decoder) StringBytes() ([]byte, error) {
	switch d.peek() {
	case '"':
		return d.text()
	case 'n':
		return nil, d.literal("null")
	}
	return nil, d.unexpected("a string")
}

// text reads a string; the position is at its first quote.
func (d *Decoder) text() ([]byte, error) {
	start := d.pos + 1
	end, escaped, err := d.quoted()
	if err != nil {
		return nil, err
	}
	if escaped {
		return unescape(d.b[start:end]), nil
	}
	return d.b[start:end:end], nil
}

// quoted passes over a string and checks it all: escapes and UTF-8.
func (d *Decoder) quoted() (end int, escaped bool, err error) {
	open := d.pos
	i := open + 1
	ascii := true
	for i < len(d.b) {
		switch c := d.b[i]; {
		case c == '"':
			if !ascii && !utf8.Valid(d.b[open+1:i]) {
				return 0, false, d.fail(open, "string is not valid UTF-8")
			}
			d.pos = i + 1
			return i, escaped, nil
		case c == '\\':
			escaped = true
			n := escapeLen(d.b[i:])
			if n == 0 {
				return 0, false, d.fail(i, "illegal escape in a string")
			}
			i += n
		case c < ' ':
			return 0, false, d.fail(i, "bare control character in a string")
		default:
			if c >= utf8.RuneSelf {
				ascii = false
			}
			i++
		}
	}
	return 0, false, d.fail(open, "string has no end")
}

// escapeLen is the length of the escape that b begins with; 0 if it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if hex(c) < 0 {
				return 0
			}
		}
		return 6
	}
	return 0
}

// unescape writes the meaning of a checked string into new memory; it is never
// longer than the text.
func unescape(s []byte) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			out = append(out, s[i])
			i++
			continue
		}
		switch c := s[i+1]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := unit(s[i:])
			i += 6
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if i+6 <= len(s) && s[i] == '\\' && s[i+1] == 'u' {
					pair = utf16.DecodeRune(r, unit(s[i:]))
				}
				if r = pair; r != utf8.RuneError {
					i += 6
				}
			}
			out = utf8.AppendRune(out, r)
			continue
		default:
			out = append(out, c)
		}
		i += 2
	}
	return out
}

// unit is the UTF-16 code unit of an escape \uXXXX.
func unit(s []byte) rune {
	var r rune
	for _, c := range s[2:6] {
		r = r<<4 | hex(c)
	}
	return r
}

func hex(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}
