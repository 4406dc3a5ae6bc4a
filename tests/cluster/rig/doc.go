// Package rig brings up a whole Kubernetes cluster on this machine: a control plane
// and nodes, each in namespaces of its own, without a container registry.
//
// Pods' primary network is ptp, with routes between the nodes, and Services are
// kube-proxy's (nftables). What a cluster runs beside that is applied to it like to any
// other, with Kubectl.
//
// What it promises: Close leaves no process, namespace, mount, cgroup or file behind.
// After a process that was killed, the next Up removes what it left.
//
// What it needs: root, Linux with user namespaces off or on, and Debian's containerd,
// runc, nftables and so on, which `make deps-cluster` installs.
package rig
