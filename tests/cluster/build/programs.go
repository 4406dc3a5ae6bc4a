package build

// The folders of pins.
const (
	etcd       = "etcd"
	kubernetes = "kubernetes"
	coredns    = "coredns"
	sluice     = "" // Sluice's own go.mod
)

// program says what a program is built of.
type program struct {
	pins string // the folder whose go.mod pins it
	pkg  string
	test bool // a test binary: `go test -c`
	// volatile says that more than the pins decide what it is: its source is Sluice's
	// own. The go command, which is quick then, decides whether to build.
	volatile bool
	// module is built where it was unpacked, with the versions of its own go.mod;
	// Sluice's go.mod says which release.
	module string
	c      bool // a single C file, of the module k8s.io/kubernetes
}

// Names of programs, as Programs takes them.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Kubelet           = "kubelet"
	KubeProxy         = "kube-proxy"
	Kubectl           = "kubectl"
	CoreDNS           = "coredns"
	Agnhost           = "agnhost"
	Pause             = "pause"
	OutOfWindow       = "regression-issue-74839" // a server that sends what belongs to no connection
	E2E               = "e2e.test"
	PolicyAPI         = "policy-api.test" // conformance of network-policy-api
	// AgnhostSCTP is agnhost for a kernel without SCTP: it brings its own.
	AgnhostSCTP = "agnhost-sctp"

	// The primary CNI of a node, and what its runtime asks for beside it.
	PTP       = "ptp"
	HostLocal = "host-local"
	Portmap   = "portmap"
	Loopback  = "loopback"

	// NodeInit is process 1 of a node; Probe is what tests' Pods run.
	NodeInit = "node-init"
	Probe    = "probe"
)

func programs() map[string]program {
	const (
		kube    = "k8s.io/kubernetes/"
		plugins = "github.com/containernetworking/plugins/plugins/"
	)
	return map[string]program{
		Etcd:              {pins: etcd, pkg: "go.etcd.io/etcd/server/v3"},
		APIServer:         {pins: kubernetes, pkg: kube + "cmd/kube-apiserver"},
		ControllerManager: {pins: kubernetes, pkg: kube + "cmd/kube-controller-manager"},
		Scheduler:         {pins: kubernetes, pkg: kube + "cmd/kube-scheduler"},
		Kubelet:           {pins: kubernetes, pkg: kube + "cmd/kubelet"},
		KubeProxy:         {pins: kubernetes, pkg: kube + "cmd/kube-proxy"},
		Kubectl:           {pins: kubernetes, pkg: kube + "cmd/kubectl"},
		Agnhost:           {pins: kubernetes, pkg: kube + "test/images/agnhost"},
		E2E:               {pins: kubernetes, pkg: kube + "test/e2e", test: true},
		PolicyAPI:         {module: "sigs.k8s.io/network-policy-api", pkg: "./conformance", test: true},
		Pause:             {pins: kubernetes, pkg: "build/pause/linux/pause.c", c: true},
		OutOfWindow:       {pins: kubernetes, pkg: kube + "test/images/regression-issue-74839"},
		CoreDNS:           {pins: coredns, pkg: "."},
		PTP:               {pins: sluice, pkg: plugins + "main/ptp"},
		HostLocal:         {pins: sluice, pkg: plugins + "ipam/host-local"},
		Portmap:           {pins: sluice, pkg: plugins + "meta/portmap"},
		Loopback:          {pins: sluice, pkg: plugins + "main/loopback"},
		NodeInit:          {pins: sluice, pkg: "./tests/cluster/node/init", volatile: true},
		Probe:             {pins: sluice, pkg: "./tests/cluster/probe", volatile: true},
	}
}
