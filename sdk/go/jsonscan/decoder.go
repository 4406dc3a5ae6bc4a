package jsonscan

import "strconv"

// MaxDepth is how deep objects and arrays may nest.
const MaxDepth = 256

// Decoder reads one JSON text. Every method that reads takes exactly one value.
// It is for one goroutine.
type Decoder struct {
	b     []byte
	pos   int
	depth int
}

// New gives a Decoder at the first value of b. It reads b in place: b must not
// change while the Decoder, or anything that StringBytes, Number or Raw gave, is in
// use.
func New(b []byte) *Decoder { return &Decoder{b: b} }

// Reset starts again with another text, so that one Decoder serves for many.
func (d *Decoder) Reset(b []byte) { d.b, d.pos, d.depth = b, 0, 0 }

// Offset is how many bytes have been read.
func (d *Decoder) Offset() int { return d.pos }

// Object reads an object and calls f with each key, in the order of the text; f
// reads the value or leaves it, and a value left is passed over. The key may be
// kept only until f returns. An error of f ends the reading and is returned, with
// the key put before its path if it is an *Error. For null f is not called.
func (d *Decoder) Object(f func(key []byte) error) error {
	if d.IsNull() {
		return nil
	}
	if err := d.down('{', "an object"); err != nil {
		return err
	}
	if d.peek() == '}' {
		d.up()
		return nil
	}
	for {
		if d.peek() != '"' {
			return d.unexpected("a key")
		}
		key, err := d.text()
		if err != nil {
			return err
		}
		if d.peek() != ':' {
			return under(string(key), d.unexpected("':'"))
		}
		d.pos++
		d.peek() // to the value, so that an unread one can be told
		start := d.pos
		err = f(key)
		if err == nil && d.pos == start {
			err = d.Skip()
		}
		if err != nil {
			return under(string(key), err)
		}
		switch d.peek() {
		case ',':
			d.pos++
		case '}':
			d.up()
			return nil
		default:
			return d.unexpected("',' or '}'")
		}
	}
}

// Array reads an array and calls f at each element; what is said of values at
// Object holds for elements. For null f is not called.
func (d *Decoder) Array(f func() error) error {
	if d.IsNull() {
		return nil
	}
	if err := d.down('[', "an array"); err != nil {
		return err
	}
	if d.peek() == ']' {
		d.up()
		return nil
	}
	for i := 0; ; i++ {
		d.peek()
		start := d.pos
		err := f()
		if err == nil && d.pos == start {
			err = d.Skip()
		}
		if err != nil {
			if _, ours := err.(*Error); ours {
				err = under("["+strconv.Itoa(i)+"]", err)
			}
			return err
		}
		switch d.peek() {
		case ',':
			d.pos++
		case ']':
			d.up()
			return nil
		default:
			return d.unexpected("',' or ']'")
		}
	}
}

// IsNull says whether the next value is null, and if so reads it. Otherwise it
// reads nothing.
func (d *Decoder) IsNull() bool {
	return d.peek() == 'n' && d.literal("null") == nil
}

// Bool reads true or false; null is false.
func (d *Decoder) Bool() (bool, error) {
	switch d.peek() {
	case 't':
		return true, d.literal("true")
	case 'f':
		return false, d.literal("false")
	case 'n':
		return false, d.literal("null")
	}
	return false, d.unexpected("true or false")
}

// End checks that nothing but white space is left.
func (d *Decoder) End() error {
	d.peek()
	if d.pos < len(d.b) {
		return d.fail(d.pos, "text goes on after the value")
	}
	return nil
}

// peek passes over white space and gives the byte after it; 0 at the end. (A
// NUL in the text is no legal token either, so 0 needs no second meaning.)
func (d *Decoder) peek() byte {
	for d.pos < len(d.b) {
		switch c := d.b[d.pos]; c {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return c
		}
	}
	return 0
}

func (d *Decoder) down(bracket byte, what string) error {
	if d.peek() != bracket {
		return d.unexpected(what)
	}
	if d.depth == MaxDepth {
		return d.fail(d.pos, "nested more than "+strconv.Itoa(MaxDepth)+" deep")
	}
	d.depth++
	d.pos++
	return nil
}

func (d *Decoder) up() {
	d.depth--
	d.pos++
}

func (d *Decoder) literal(word string) error {
	if len(d.b)-d.pos < len(word) || string(d.b[d.pos:d.pos+len(word)]) != word {
		return d.unexpected("a value")
	}
	d.pos += len(word)
	return nil
}

func (d *Decoder) unexpected(wanted string) error {
	if d.pos >= len(d.b) {
		return d.fail(d.pos, "text ends where "+wanted+" should be")
	}
	found := "a control character or a byte above 127"
	switch c := d.b[d.pos]; {
	case c == '{':
		found = "an object"
	case c == '[':
		found = "an array"
	case c == '"':
		found = "a string"
	case c == '-' || c >= '0' && c <= '9':
		found = "a number"
	case c > ' ' && c < 0x7f:
		found = "'" + string(rune(c)) + "'"
	}
	return d.fail(d.pos, "found "+found+" where "+wanted+" should be")
}
