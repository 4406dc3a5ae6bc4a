package conformance

import (
	"golang.org/x/sys/unix"
)

// SCTP says whether the kernel has it.
func SCTP() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP)
	if err != nil {
		return false
	}
	return unix.Close(fd) == nil
}
