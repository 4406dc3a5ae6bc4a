// Package node runs a Kubernetes node without a machine of its own: containerd,
// kubelet and kube-proxy in network, mount, process, cgroup, hostname and IPC
// namespaces.
//
// The node sees the machine's file system, but what a node writes to (container
// images, kubelet's state, CNI's directories, /run) is its own. Its first process is
// the program in init/, which makes it so and then starts the rest.
//
// What it promises: everything that runs on the node, Pods included, ends with its
// first process, which ends with Stop or with the process that called Start; Stop
// removes the node's cgroups.
//
// What it never does: change a setting of the machine. What kubelet insists on to set
// (vm.overcommit_memory and the like) it sets in files that lie over those of /proc.
package node
