package lab

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
)

// Options say what to build. Manifests is the only field that must be set.
type Options struct {
	// Manifests are files, or directories whose *.yaml, *.yml and *.json files
	// are read. Pods, Namespaces and Nodes make the lab, Services and
	// EndpointSlices are there from the start; every other object is handed to the
	// agents by ApplyPolicies.
	Manifests []string
	// Modules are Wasm files, asked in this order; the word "networkpolicy"
	// stands for the module that the agent carries in itself. None means that
	// one alone. Files are copied, so that ReplaceModule can swap them.
	Modules []string
	// ModuleSettings are for modules by name, which is the file's without its
	// ending; a module that is not in it is enforced, and its cut-overs are not
	// bounded.
	ModuleSettings map[string]ModuleSettings
	// Datapath is "netdev", "system" (the kernel's), or empty for the kernel's
	// where there is one and netdev elsewhere.
	Datapath string
	// PolicyFree leaves out Open vSwitch, the agent and sluice-cni: Pods are
	// wired by the primary plugin alone. It is what Sluice is compared with.
	PolicyFree bool
	// Primary is the plugin, or the cloud, whose layout nodes and Pods have: "ptp"
	// (also if empty), "eks" or "azure-transparent".
	Primary string
	// SecondInterface are Pods (namespace/name) of nodes like those of EKS whose
	// IPv4 addresses belong to the node's second interface.
	SecondInterface []string
	// Later leaves out what PolicyFree does, until Install puts it in under
	// running Pods.
	Later bool
	// WithoutServices tells the agents to leave Services alone, as where another
	// proxy works on the Pods' own sockets. The lab has no such proxy.
	WithoutServices bool
	// MTU, in bytes, is that of Pods and of the wires between nodes, router and
	// external host; 0 is 1500. PodMTU are Pods (namespace/name) with another.
	MTU    int
	PodMTU map[string]int
	// GatewayV6 is the IPv6 gateway of all Pods, for which a link-local address
	// will do; the zero Addr leaves the first address of their subnet.
	GatewayV6 netip.Addr
	// Listen are ports on which the hosts and the external host listen too,
	// besides EchoPort.
	Listen []Port
	// NameServers are whom the agents believe what names mean (dns.servers of their
	// configuration), and NameGrace how many seconds longer than told; 0 is their
	// default.
	NameServers []string
	NameGrace   int
	// Limits are the agents' own: limits of their configuration.
	Limits map[string]int
	// Binaries are the programs to run.
	Binaries Paths
	// Dir is where the lab's directory is made; empty means /run, or the
	// system's directory for temporary files where that cannot be written.
	// Sockets lie in it, so its path must be short (about 40 bytes).
	Dir string
	// Logger receives what the lab does, in detail; nil means nobody.
	Logger *slog.Logger
	// Progress receives one short line per step; nil means nobody. It is
	// called from one goroutine at a time.
	Progress func(line string)
}

// ModuleSettings say how a module runs, in the words of the agent's configuration.
type ModuleSettings struct {
	Mode      string         `json:"mode,omitempty"` // Enforce or Shadow
	InsteadOf string         `json:"insteadOf,omitempty"`
	Rollout   map[string]int `json:"rollout,omitempty"` // maxNewDenies, maxNewAllows
	Grant     map[string]any `json:"grant,omitempty"`   // resources, tiers, actions, limits
	Config    map[string]any `json:"config,omitempty"`  // is handed to the module
}

// EchoPort is the TCP and UDP port on which every host and the external host
// listen (the echo port of RFC 862), so that what leaves a Pod can be probed.
const EchoPort = 7

// BuiltinModule is the name of the module that the agent carries in itself.
const BuiltinModule = "networkpolicy"

// The values of Options.Datapath.
const (
	DatapathNetdev = "netdev"
	DatapathSystem = "system"
)

// Paths are the programs that a lab runs.
type Paths struct {
	Agent     string // sluice-agent
	Sandbox   string // sluice-sandbox
	CNI       string // sluice-cni
	Ctl       string // sluicectl; the lab itself does not need it
	PluginDir string // directory with the CNI plugins ptp, host-local and lab-routed
}

// PathsIn gives the places of the programs in the directory that `make build`
// fills.
func PathsIn(dir string) Paths {
	return Paths{
		Agent:     filepath.Join(dir, "sluice-agent"),
		Sandbox:   filepath.Join(dir, "sluice-sandbox"),
		CNI:       filepath.Join(dir, "sluice-cni"),
		Ctl:       filepath.Join(dir, "sluicectl"),
		PluginDir: filepath.Join(dir, "cni"),
	}
}

// Check says which programs are missing, and what to do about it.
func (p Paths) Check(policyFree bool) error {
	need := []string{filepath.Join(p.PluginDir, "ptp"), filepath.Join(p.PluginDir, "host-local")}
	if !policyFree {
		need = append(need, p.Agent, p.Sandbox, p.CNI)
	}
	var missing []error
	for _, path := range need {
		info, err := os.Stat(path)
		if err != nil {
			missing = append(missing, err)
		} else if info.IsDir() || info.Mode()&0o111 == 0 {
			missing = append(missing, fmt.Errorf("%s is not a program", path))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the lab's programs are not all there (run `make build`): %w", errors.Join(missing...))
	}
	return nil
}
