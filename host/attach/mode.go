package attach

import "github.com/sluice-net/sluice/host/ovsdb"

// mode is all in which the two datapaths of Open vSwitch differ for an attachment.
type mode struct {
	// dropAtIngress: ovs-vswitchd reads copies of the frames, so the kernel must not route the originals.
	dropAtIngress bool
	// checksumInPod: nothing behind the veth computes checksums that the Pod left to the device.
	checksumInPod bool
}

func modeOf(datapathType string) mode {
	return map[string]mode{
		ovsdb.SystemDatapath: {dropAtIngress: false, checksumInPod: false},
		ovsdb.NetdevDatapath: {dropAtIngress: true, checksumInPod: true},
	}[datapathType]
}
