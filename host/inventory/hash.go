package inventory

import "encoding/binary"

// fnv64 is FNV-1a, 64 bits.
func fnv64[T string | []byte](text T) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return h
}

// freeID folds the hash of a canonical text to 32 bits and takes the next
// number that is neither 0 nor taken.
func freeID(text string, taken func(uint32) bool) uint32 {
	h := fnv64(text)
	id := uint32(h>>32) ^ uint32(h)
	for id == 0 || taken(id) {
		id++
	}
	return id
}

// appendText appends a string preceded by its length.
func appendText(b []byte, text string) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}
