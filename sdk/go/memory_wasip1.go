package sluice

import "runtime"

// A guest cannot ask how much memory it may have; the host's default is 64 MiB,
// and Go's collector would let a heap of 33 MiB grow to 66 before it starts. So
// from tight bytes on it is started whenever a quarter has been added. This is
// runtime/debug.SetMemoryLimit by hand: that package would make the module
// 400 KB larger.
const tight = 24 << 20

// breather gives the runtime what it otherwise lacks in Wasm: the processor, for
// the collector's own goroutines, and a sense of the limit.
type breather struct {
	stats runtime.MemStats
	live  uint64 // bytes on the heap after the collection that was started last
}

func (b *breather) breathe() {
	runtime.Gosched()
	runtime.ReadMemStats(&b.stats)
	if b.stats.HeapAlloc > max(tight, b.live+b.live/4) {
		b.collect()
	}
}

// collect is also called after a reset, when all that the module knew is garbage
// and as much is about to come.
func (b *breather) collect() {
	runtime.GC()
	runtime.ReadMemStats(&b.stats)
	b.live = b.stats.HeapAlloc
}
