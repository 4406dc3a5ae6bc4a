package kube

import (
	"unicode/utf8"

	"github.com/sluice-net/sluice/abi"
)

// Name makes a name of at most abi.MaxName bytes of a text: the text itself, or
// its beginning, '#' and 128 bits of its SHA-256. The hash is a cryptographic
// one because authors who must not trust each other choose these texts, and one
// who found two with one name could change what another's rule means.
func Name(text string) string {
	const hashed = 16
	if len(text) <= abi.MaxName {
		return text
	}
	cut := abi.MaxName - 1 - 2*hashed
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	name := append(make([]byte, 0, abi.MaxName), text[:cut]...)
	name = append(name, '#')
	sum := sha256([]byte(text))
	for _, b := range sum[:hashed] {
		name = append(name, hexDigits[b>>4], hexDigits[b&15])
	}
	return string(name)
}

const hexDigits = "0123456789abcdef"
