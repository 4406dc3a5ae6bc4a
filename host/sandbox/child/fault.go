package child

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"github.com/sluice-net/sluice/host/sandbox"
)

// fault is an end of the module, in one line.
type fault struct {
	kind sandbox.FaultKind
	text string
}

func (f *fault) Error() string { return f.text }

func cannotLoad(format string, args ...any) *fault {
	return &fault{sandbox.FaultLoad, fmt.Sprintf(format, args...)}
}

// ended turns what a call into the module returned into a fault.
func ended(doing string, err error) *fault {
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		return &fault{sandbox.FaultExit, fmt.Sprintf("ended itself with proc_exit(%d) in %s", exit.ExitCode(), doing)}
	}
	return &fault{sandbox.FaultTrap, fmt.Sprintf("trapped in %s: %s", doing, oneLine(err.Error()))}
}

// oneLine keeps of wazero's report the reason and the innermost three calls.
func oneLine(report string) string {
	reason, stack, _ := strings.Cut(report, "\nwasm stack trace:")
	reason, _, _ = strings.Cut(reason, "\n")
	reason = strings.TrimSuffix(reason, " (recovered by wazero)")
	reason = strings.TrimPrefix(reason, "wasm error: ")
	var calls []string
	for line := range strings.Lines(stack) {
		line = strings.TrimSpace(line)
		name, _, found := strings.Cut(line, "(")
		if name = strings.TrimPrefix(name, "."); !found || name == "" {
			continue
		}
		if calls = append(calls, name); len(calls) == 3 {
			break
		}
	}
	if len(calls) == 0 {
		return reason
	}
	return reason + ", in " + strings.Join(calls, " called by ")
}
