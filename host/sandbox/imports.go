package sandbox

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/abi/binary"
)

// The functions that a module may import. They are all that exists for it.
const (
	HostModule = "sluice"
	WASIModule = "wasi_snapshot_preview1"
	// DNSModule is the capability to hear what name servers answer
	// (abi.DNSAnswers).
	DNSModule = "sluice_dns"
)

// HostImports are the functions of the ABI.
func HostImports() []string { return []string{"emit", "log", "recv"} }

// DNSImports are the functions of the capability DNSModule.
func DNSImports() []string { return []string{"enable"} }

// Imports reports whether a module imports something from this one.
func Imports(b *binary.Binary, module string) bool {
	return slices.ContainsFunc(b.Imports, func(i binary.Import) bool { return i.Module == module })
}

// WASIImports are what language runtimes need to start: Go's wasip1 runtime
// and wasi-libc import these and no more. The fd_ functions know the three
// standard streams only: input is empty, output goes to the log. There are no
// files, no directories and no sockets.
func WASIImports() []string {
	return []string{
		"args_get", "args_sizes_get",
		"clock_res_get", "clock_time_get",
		"environ_get", "environ_sizes_get",
		"fd_close", "fd_fdstat_get", "fd_fdstat_set_flags",
		"fd_prestat_dir_name", "fd_prestat_get",
		"fd_read", "fd_seek", "fd_write",
		"poll_oneoff", "proc_exit", "random_get", "sched_yield",
	}
}

// CheckImports refuses a module that wants what it may not have. The error
// names what it asks for.
func CheckImports(b *binary.Binary) error {
	for _, i := range b.Imports {
		if i.Kind != binary.Function {
			return fmt.Errorf("imports the %s %s.%s: a module may import functions only, and defines its own memory and tables", i.Kind, i.Module, i.Name)
		}
		if err := CheckImport(i.Module, i.Name); err != nil {
			return err
		}
	}
	return nil
}

// CheckImport reports whether a module may import this function. The error
// names what was asked for.
func CheckImport(module, name string) error {
	var known []string
	switch module {
	case HostModule:
		known = HostImports()
	case WASIModule:
		known = WASIImports()
	case DNSModule:
		known = DNSImports()
	default:
		return fmt.Errorf("imports %q from %q, which does not exist: a module may import from %s, %s and %s only",
			name, module, HostModule, DNSModule, WASIModule)
	}
	if !slices.Contains(known, name) {
		return fmt.Errorf("imports %s.%s, which is not granted to modules; from %s it may import %s",
			module, name, module, strings.Join(known, ", "))
	}
	return nil
}
