// Command sluice-cni is a chained CNI plugin (CNI specification 1.1.0) that attaches a Pod, whose interface another plugin
// has made, to Sluice's bridge. It comes after a routing plugin such as ptp in the list of plugins.
//
// It only passes the request on to the agent on the same node and returns prevResult as it got it: it changes nothing itself
// and keeps nothing. Without the agent every verb but VERSION fails with code 11, "try again later" (STATUS: 50, "not
// available").
//
// That holds for DEL too, on purpose. The agent knows which routes it moved for a Pod, and a DEL that was waved through
// would leave them behind. The runtime repeats a DEL that failed, so the Pod's end is delayed for as long as the agent is
// down; and an agent that starts takes away by itself all that belongs to Pods whose interface is gone, so nothing is left
// even if the runtime gives up.
//
// Its configuration:
//
//	{"type": "sluice-cni", "socket": "/run/sluice/cni.sock", "timeoutSeconds": 60}
//
// Both keys besides "type" may be left out. On a machine without Kubernetes, "podNamespace" and "podName" name the Pod; without them
// it is called by its container id, in the namespace "default".
package main

import (
	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/version"
)

func main() {
	skel.PluginMainFuncs(skel.CNIFuncs{
		Add: add, Del: del, Check: check, GC: gc, Status: status,
	}, version.VersionsStartingFrom("0.3.0"), "sluice-cni: attaches Pods to the bridge of Sluice")
}
