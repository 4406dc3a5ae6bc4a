// Command sluice-sandbox runs one policy module, confined, for the agent that
// started it. It is of no use by itself: it speaks on file descriptor 3.
package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/host/sandbox"
	"github.com/sluice-net/sluice/host/sandbox/child"
)

func main() {
	if _, err := unix.GetsockoptInt(sandbox.ChildFD, unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
		fmt.Fprintln(os.Stderr, "sluice-sandbox is started by sluice-agent, which speaks with it on file descriptor 3; it does nothing by itself.")
		os.Exit(2)
	}
	os.Exit(child.Main())
}
