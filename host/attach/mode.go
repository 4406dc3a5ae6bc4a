package attach

import "github.com/sluice-net/sluice/host/ovsdb"

// mode is all in which the two datapaths of Open vSwitch differ for an attachment.
type mode struct {
	// dropAtIngress: ovs-vswitchd reads copies of the frames, so the kernel must not route the originals.
	dropAtIngress bool
	// checksumInPod: nothing behind the veth computes checksums that the Pod left to the device.
	checksumInPod bool
	// takesOver: a port that is added takes the frames away from the kernel at once, so that a running Pod's flows must be
	// there before it. Where ovs-vswitchd only reads copies, the kernel goes on to route until it is told to drop.
	takesOver bool
}

func modeOf(datapathType string) mode {
	return map[string]mode{
		ovsdb.SystemDatapath: {dropAtIngress: false, checksumInPod: false, takesOver: true},
		ovsdb.NetdevDatapath: {dropAtIngress: true, checksumInPod: true, takesOver: false},
	}[datapathType]
}
