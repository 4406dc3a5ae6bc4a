package sluice

import (
	"runtime"
	"unsafe"

	"github.com/sluice-net/sluice/abi"
)

//go:wasmimport sluice recv
func recv(ptr unsafe.Pointer, size uint32) int32

//go:wasmimport sluice emit
func emit(ptr unsafe.Pointer, size uint32) int32

//go:wasmimport sluice log
func log(level int32, ptr unsafe.Pointer, size uint32)

// guest is the one module of this Wasm instance: exported functions have no
// argument that could carry it. A second instance has a memory of its own.
var guest struct {
	instance *Instance
	batch    []byte
	breather breather
}

// keptBatch is how large a buffer is kept from one batch to the next. A snapshot
// may be larger; its buffer goes back to the heap.
const keptBatch = 1 << 20

// Register says what the module is. It is called once, from an init function:
// the host never calls main.
func Register(module func() Module) {
	if guest.instance != nil {
		panic("sluice.Register is called twice: one Wasm file is one module")
	}
	guest.instance = NewInstance(module(), imports{})
	guest.instance.breathe = guest.breather.breathe
	guest.instance.collect = guest.breather.collect
}

//go:wasmexport sluice_abi_v1
func marker() {}

// In both exports the runtime gets the processor once: the garbage collector
// works on goroutines of its own, and nothing else in Wasm would ever let them
// run, so that memory would grow without end.

//go:wasmexport sluice_handle
func handle(size int32) int32 {
	runtime.Gosched()
	if guest.instance == nil {
		panic("no module: call sluice.Register in an init function")
	}
	batch := receive(int(size))
	result := guest.instance.Handle(batch)
	if cap(guest.batch) > keptBatch {
		guest.batch = nil
	}
	runtime.Gosched()
	return result
}

// receive copies the waiting batch into memory of ours. size is the host's hint;
// should the batch have become larger, the buffer grows.
func receive(size int) []byte {
	for range 32 {
		if size = max(size, 1); cap(guest.batch) < size {
			guest.batch = make([]byte, size)
		}
		buf := guest.batch[:cap(guest.batch)]
		n := recv(unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
		if n >= 0 {
			return buf[:n]
		}
		if n != abi.RecvSmall {
			break
		}
		size = 2 * len(buf)
	}
	panic("sluice.recv does not hand over the batch")
}

type imports struct{}

func (imports) Emit(requests []byte) abi.EmitError {
	return abi.EmitError(emit(unsafe.Pointer(unsafe.SliceData(requests)), uint32(len(requests))))
}

func (imports) Log(level abi.LogLevel, text string) {
	log(int32(level), unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
}
