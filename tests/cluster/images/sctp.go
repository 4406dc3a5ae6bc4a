package images

import (
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tests/cluster/build"
)

// KernelSCTP says whether the kernel has SCTP. Where it has not, agnhost brings its own
// (package tests/cluster/sctp).
func KernelSCTP() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP)
	if err != nil {
		return false
	}
	return unix.Close(fd) == nil
}

// agnhostProgram is the one that speaks SCTP on this machine.
func agnhostProgram() string {
	if KernelSCTP() {
		return build.Agnhost
	}
	return build.AgnhostSCTP
}
