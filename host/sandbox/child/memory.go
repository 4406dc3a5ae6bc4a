package child

import (
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// linear is a linear memory that is mapped once, at its largest size, and never
// moves. Growing it copies nothing, and the kernel provides pages as they are
// touched.
type linear struct{ whole []byte }

// reserve maps a memory of at most limit bytes, which wazero has cut to the
// limit of the module.
func reserve(_, limit uint64) experimental.LinearMemory {
	whole, err := unix.Mmap(-1, 0, int(max(limit, 1)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		// There is no way to refuse here; the agent knows these words.
		panic("out of memory: reserving the module's memory: " + err.Error())
	}
	return &linear{whole: whole}
}

// Reallocate implements experimental.LinearMemory. Nil is a refusal, which the
// module sees as memory.grow returning -1.
func (l *linear) Reallocate(size uint64) []byte {
	if size > uint64(len(l.whole)) {
		return nil
	}
	return l.whole[:size:len(l.whole)]
}

// Free implements experimental.LinearMemory. The memory lives as long as the
// process.
func (l *linear) Free() {}
