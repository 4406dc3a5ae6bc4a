package sandbox

import "fmt"

// FaultKind says in what way a generation failed.
type FaultKind uint8

// The kinds.
const (
	FaultTrap     FaultKind = 1 // the module trapped
	FaultExit     FaultKind = 2 // the module ended itself
	FaultLoad     FaultKind = 3 // the module cannot be loaded, now or ever
	FaultDeadline FaultKind = 4 // it did not end by its deadline and was killed
	FaultMemory   FaultKind = 5 // its process ran into the memory limit
	FaultSyscall  FaultKind = 6 // its process was killed for a forbidden system call
	FaultProtocol FaultKind = 7 // its process sent what the protocol does not allow
	FaultDied     FaultKind = 8 // its process ended for another reason
	FaultStart    FaultKind = 9 // the sandbox itself could not be started
)

func (k FaultKind) String() string {
	switch k {
	case FaultTrap:
		return "trap"
	case FaultExit:
		return "exit"
	case FaultLoad:
		return "load"
	case FaultDeadline:
		return "deadline"
	case FaultMemory:
		return "memory"
	case FaultSyscall:
		return "syscall"
	case FaultProtocol:
		return "protocol"
	case FaultDied:
		return "died"
	case FaultStart:
		return "start"
	}
	return fmt.Sprintf("fault %d", uint8(k))
}

// Failure is why a sandbox is no more. Text is one line for a person.
type Failure struct {
	Kind FaultKind
	Text string
}

func (f *Failure) Error() string { return f.Text }
