package hostnet

import (
	"fmt"
	"unsafe"

	"github.com/safchain/ethtool"
	"golang.org/x/sys/unix"
)

// FeatureBits are the features of a link that are on, by the kernel's numbers: equal ones are the same features. They
// cost next to nothing; the names, which TxOffload asks for, are a megabyte for each link.
type FeatureBits [featureWords]uint32

// featureWords is room for 128 features; Linux 6.1 has 60.
const featureWords = 4

// featuresAsked is struct ethtool_gfeatures of linux/ethtool.h.
type featuresAsked struct {
	command, size uint32
	words         [featureWords]struct{ available, requested, active, neverChanged uint32 }
}

// interfaceRequest is struct ifreq of linux/if.h with ifr_data, as long as the kernel copies.
type interfaceRequest struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// Features reads the features that are on at the Pod's end.
func Features(netnsPath, ifName string) (bits FeatureBits, err error) {
	err = within(netnsPath, func() error {
		bits, err = features(ifName)
		return err
	})
	if err != nil {
		return bits, fmt.Errorf("read the features of %s in %s: %w", ifName, netnsPath, err)
	}
	return bits, nil
}

func features(ifName string) (bits FeatureBits, err error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return bits, fmt.Errorf("open a socket: %w", err)
	}
	defer unix.Close(socket) //nolint:errcheck // nothing was written
	asked := &featuresAsked{command: ethtool.ETHTOOL_GFEATURES, size: featureWords}
	request := &interfaceRequest{data: unsafe.Pointer(asked)}
	copy(request.name[:unix.IFNAMSIZ-1], ifName)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(socket), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(request))); errno != 0 {
		return bits, errno
	}
	for i, w := range asked.words {
		bits[i] = w.active
	}
	return bits, nil
}
