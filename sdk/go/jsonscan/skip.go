package jsonscan

// Kind is the type of a JSON value.
type Kind uint8

// The kinds. Invalid is the end of the text, or a byte that begins no value.
const (
	Invalid Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// Kind tells the type of the next value without reading it.
func (d *Decoder) Kind() Kind {
	switch c := d.peek(); {
	case c == '{':
		return Object
	case c == '[':
		return Array
	case c == '"':
		return String
	case c == 't' || c == 'f':
		return Bool
	case c == 'n':
		return Null
	case c == '-' || c >= '0' && c <= '9':
		return Number
	}
	return Invalid
}

// Skip passes over the next value and checks its syntax.
func (d *Decoder) Skip() error {
	switch d.Kind() {
	case Object:
		return d.Object(func([]byte) error { return nil })
	case Array:
		return d.Array(func() error { return nil })
	case String:
		_, _, err := d.quoted()
		return err
	case Number:
		_, err := d.Number()
		return err
	case Bool:
		_, err := d.Bool()
		return err
	case Null:
		return d.literal("null")
	}
	return d.unexpected("a value")
}

// Raw passes over the next value like Skip and gives its text, a part of the
// whole, to be read later by another Decoder or compared.
func (d *Decoder) Raw() ([]byte, error) {
	d.peek()
	start := d.pos
	if err := d.Skip(); err != nil {
		return nil, err
	}
	return d.b[start:d.pos:d.pos], nil
}
