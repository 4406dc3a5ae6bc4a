package jsonscan

// Number gives the next number as it is written; the slice is a part of the
// text. null is an error here: there is no text for it.
func (d *Decoder) Number() ([]byte, error) {
	c := d.peek()
	if c != '-' && (c < '0' || c > '9') {
		return nil, d.unexpected("a number")
	}
	start := d.pos
	if c == '-' {
		d.pos++
	}
	if d.at() == '0' {
		d.pos++
	} else if !d.digits() {
		return nil, d.unexpected("a digit")
	}
	if d.at() == '.' {
		d.pos++
		if !d.digits() {
			return nil, d.unexpected("a digit")
		}
	}
	if c := d.at(); c == 'e' || c == 'E' {
		d.pos++
		if c := d.at(); c == '+' || c == '-' {
			d.pos++
		}
		if !d.digits() {
			return nil, d.unexpected("a digit")
		}
	}
	return d.b[start:d.pos:d.pos], nil
}

// Int64 reads an integer; null is 0. A number with a fraction or an exponent is
// refused even if its value is whole, and so is one that 64 bits do not hold.
func (d *Decoder) Int64() (int64, error) {
	if d.IsNull() {
		return 0, nil
	}
	text, err := d.Number()
	if err != nil {
		return 0, err
	}
	start := d.pos - len(text)
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	const limit = 1 << 63 // of the magnitude of a negative number
	var v uint64
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, d.fail(start, "is not written as an integer")
		}
		digit := uint64(c - '0')
		if v > (limit-digit)/10 {
			return 0, d.fail(start, "does not fit into 64 bits")
		}
		v = v*10 + digit
	}
	if negative {
		return -int64(v), nil
	}
	if v == limit {
		return 0, d.fail(start, "does not fit into 64 bits")
	}
	return int64(v), nil
}

// at is the byte at the position without passing over white space.
func (d *Decoder) at() byte {
	if d.pos < len(d.b) {
		return d.b[d.pos]
	}
	return 0
}

func (d *Decoder) digits() bool {
	start := d.pos
	for d.pos < len(d.b) && d.b[d.pos] >= '0' && d.b[d.pos] <= '9' {
		d.pos++
	}
	return d.pos > start
}
