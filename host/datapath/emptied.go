package datapath

// spareEntries is how large a map may have been to be used again.
const spareEntries = 1024

// emptied is the map without entries, or another if it was large: a map keeps the room
// that it once needed, and to go through it costs that much for ever.
func emptied[K comparable, V any](m map[K]V) map[K]V {
	if len(m) > spareEntries {
		return map[K]V{}
	}
	clear(m)
	return m
}
