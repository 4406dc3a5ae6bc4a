package node

import "github.com/sluice-net/sluice/tests/cluster/build"

// Options of a node.
type Options struct {
	Name      string
	Address   string // of the node
	PodCIDR   string
	Namespace string // file of its network namespace
	Dir       string // an empty directory for all that it writes
	CgroupID  string // makes the names of its cgroups unique on the machine

	Programs map[string]string // build.Programs of Programs()
	Images   []string          // archives to import before kubelet starts

	KubeletConfig string // a kubeconfig
	ProxyConfig   string // a kubeconfig
	Authority     string // the certificate that signed the API server's
	DNS           string // the address of the cluster's DNS
	Taints        []Taint
}

// Taint is one that kubelet registers the node with; its effect is NoSchedule.
type Taint struct{ Key string }

// Programs are those that a node needs, beside containerd and runc of the machine.
func Programs() []string {
	return append(plugins(), build.Kubelet, build.KubeProxy, build.NodeInit)
}

// plugins are the node's CNI plugins.
func plugins() []string {
	return []string{build.PTP, build.HostLocal, build.Portmap, build.Loopback}
}

// Private are the directories that each node has of its own.
func Private() []string {
	return []string{
		"/etc/cni", "/etc/containerd", "/etc/kubernetes", "/etc/openvswitch", "/opt/cni/bin",
		"/var/lib/cni", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/sluice", "/var/log/containers", "/var/log/pods",
	}
}

// Setup is what the node's first process is told, as JSON in a file.
type Setup struct {
	Name     string
	Cgroups  []string // directories to be in, or none if it is there already
	Unified  bool     // cgroup version 2
	Private  map[string]string
	Override map[string]string // file of /proc/sys to content
	Plugins  map[string]string // into /opt/cni/bin, by name
	Images   []string
	// Runtime is the command of containerd; Import that of importing an image, to
	// which the file is added; Probe succeeds when containerd answers.
	Runtime, Probe, Import []string
	Services               [][]string // commands to start when the images are there
	Logs                   string     // directory
}
