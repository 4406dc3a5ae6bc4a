package modules

import (
	"bytes"
	"encoding/binary"
)

// MemoryBomb is a module of under a hundred bytes with a function that has 2^32-1
// local variables. Whoever makes a list of them needs 16 GiB.
func MemoryBomb() []byte {
	locals := append([]byte{1}, binary.AppendUvarint(nil, 1<<32-1)...)
	return withFunction(append(locals, 0x7f, 0x0b))
}

// TimeBomb is a module of 1 MB with a branch table of a million targets, at which
// a compiler that treats each target by itself works for minutes.
func TimeBomb() []byte {
	const targets = 1_000_000
	body := []byte{0, 0x02, 0x40, 0x41, 0, 0x0e} // no locals; block; i32.const 0; br_table
	body = binary.AppendUvarint(body, targets)
	body = append(body, make([]byte, targets+1)...)
	return withFunction(append(body, 0x0b, 0x0b))
}

// withFunction returns a module that is complete but for its manifest, with one
// more function, which is never called.
func withFunction(body []byte) []byte {
	m := []byte("\x00asm\x01\x00\x00\x00")
	m = section(m, 1, []byte{2, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 0, 0}) // (i32) -> i32; () -> ()
	m = section(m, 3, []byte{3, 0, 1, 1})
	m = section(m, 5, []byte{1, 0, 1})
	exports := []byte{3}
	for _, e := range []struct {
		name        string
		kind, index byte
	}{{"memory", 2, 0}, {"sluice_handle", 0, 0}, {"sluice_abi_v1", 0, 1}} {
		exports = append(exports, byte(len(e.name)))
		exports = append(append(exports, e.name...), e.kind, e.index)
	}
	m = section(m, 7, exports)
	code := []byte{3, 4, 0, 0x41, 0, 0x0b, 2, 0, 0x0b}
	code = binary.AppendUvarint(code, uint64(len(body)))
	return section(m, 10, append(code, body...))
}

func section(m []byte, id byte, body []byte) []byte {
	m = append(m, id)
	m = binary.AppendUvarint(m, uint64(len(body)))
	return append(m, bytes.Clone(body)...)
}
