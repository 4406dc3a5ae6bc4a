package agent

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/sluice-net/sluice/abi"
)

// Config is the agent's configuration file (YAML). Unknown fields are errors.
type Config struct {
	// NodeName is the node's name in the cluster; spec.nodeName of its Pods.
	// Default: the host name.
	NodeName string `json:"nodeName,omitempty"`
	// Manifests is a directory of Kubernetes manifests, for a machine without
	// Kubernetes. It is watched.
	Manifests string `json:"manifests,omitempty"`
	// Kubernetes is the API server that objects come from. Exactly one of
	// Manifests and Kubernetes is given; `kubernetes: {}` is enough for a Pod.
	Kubernetes *KubernetesConfig `json:"kubernetes,omitempty"`
	Probes     ProbesConfig      `json:"probes"`

	OVS     OVSConfig      `json:"ovs"`
	Sandbox SandboxConfig  `json:"sandbox"`
	Modules []ModuleConfig `json:"modules,omitempty"`
	Audit   AuditConfig    `json:"audit"`
	Limits  LimitsConfig   `json:"limits"`

	Services ServicesConfig `json:"services"`
	CNI      CNIConfig      `json:"cni"`
	DNS      DNSConfig      `json:"dns"`

	// AdoptExistingPods brings Pods that ran before the agent did onto the
	// bridge when it starts. Default true.
	AdoptExistingPods *bool `json:"adoptExistingPods,omitempty"`

	// SysctlDir is where the node's /proc/sys/net can be written. Default: there. A
	// container that is not privileged needs it mounted elsewhere.
	SysctlDir string `json:"sysctlDir,omitempty"`

	// RegistryCredentials is a file in the form of docker's config.json, for modules
	// that PolicyModules name. Default: none.
	RegistryCredentials string `json:"registryCredentials,omitempty"`
	// StateDir holds what an agent that starts without the API server needs.
	// Default /var/lib/sluice.
	StateDir string `json:"stateDir,omitempty"`
	// CNISocket is where sluice-cni finds the agent. Default /run/sluice/cni.sock.
	CNISocket string `json:"cniSocket,omitempty"`
	// AdminSocket is where sluicectl finds the agent. Default /run/sluice/admin.sock.
	AdminSocket string `json:"adminSocket,omitempty"`
}

// AuditConfig says where decisions on new connections are written.
type AuditConfig struct {
	// File gets a line of JSON per decision (observe.AuditLine). Empty: none are
	// written.
	File string `json:"file,omitempty"`
	// MaxMiB is when the file becomes FILE.1, in place of the one before. Default 64.
	MaxMiB int `json:"maxMiB,omitempty"`
	// LinesPerSecond is how many lines are written; the others are counted. Default 100.
	LinesPerSecond int `json:"linesPerSecond,omitempty"`
}

// DNSConfig is about modules that allow traffic by name.
type DNSConfig struct {
	// Servers are the name servers whose answers are believed: addresses or CIDRs,
	// as Pods address them (the cluster IP of the cluster's DNS). What others
	// answer passes unread.
	Servers []string `json:"servers,omitempty"`
	// GraceSeconds is how much longer than its record says an address belongs to a
	// name. Default 30. An address with an open connection is kept in any case.
	GraceSeconds int `json:"graceSeconds,omitempty"`

	servers []netip.Prefix
}

func (d *DNSConfig) complete() error {
	if d.GraceSeconds == 0 {
		d.GraceSeconds = 30
	}
	if d.GraceSeconds < 0 {
		return fmt.Errorf("dns.graceSeconds is negative: leave it out for its default, 30")
	}
	for i, text := range d.Servers {
		prefix, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return fmt.Errorf("dns.servers[%d] %q is neither an address nor a CIDR", i, text)
		}
		d.servers = append(d.servers, prefix.Masked())
	}
	return nil
}

// LimitsConfig bounds what all policy and all Services of the node may compile to. A transaction
// that needs more is refused, and its module's status says so.
type LimitsConfig struct {
	// Flows on the bridge. Default 500000.
	Flows int `json:"flows,omitempty"`
	// Clauses of conjunctions. Default 4000000.
	Clauses int `json:"clauses,omitempty"`
	// Buckets of groups: one for each endpoint of a port of a Service, two where it
	// has 11 to 60. Default 500000.
	Buckets int `json:"buckets,omitempty"`
}

// OVSConfig says where Open vSwitch is and what to make there.
type OVSConfig struct {
	// Database is the endpoint of ovsdb-server. Default unix:/run/openvswitch/db.sock.
	Database string `json:"database,omitempty"`
	// RunDir holds the bridge's management socket. Default /run/openvswitch.
	RunDir string `json:"runDir,omitempty"`
	// Bridge is the bridge that the agent owns. Default br-sluice.
	Bridge string `json:"bridge,omitempty"`
	// Gateway is the bridge's internal port. Default sluice-gw0.
	Gateway string `json:"gateway,omitempty"`
	// Datapath is system, netdev or auto: system where the kernel has openvswitch.
	Datapath string `json:"datapath,omitempty"`
}

// SandboxConfig says how modules are run.
type SandboxConfig struct {
	// Path of the program sluice-sandbox. Default: beside the agent's own.
	Path string `json:"path,omitempty"`
	// LoadTimeoutSeconds bounds compiling and starting a module. Default 30.
	LoadTimeoutSeconds int `json:"loadTimeoutSeconds,omitempty"`
	// RecordingDir gets the last batches of modules that fail. Default
	// /var/lib/sluice/recordings.
	RecordingDir string `json:"recordingDir,omitempty"`
}

// ModuleConfig is one module. Modules are asked in the order of Order, then of
// the list.
type ModuleConfig struct {
	Name   string       `json:"name"`
	Source ModuleSource `json:"source"`
	Order  int          `json:"order,omitempty"`
	// OnFirstFailure says what happens while the module has never committed:
	// hold (default) keeps the node as it is and lets no new Pod in; ignore
	// goes on without the module.
	OnFirstFailure string `json:"onFirstFailure,omitempty"`
	// Grant cuts what the module's manifest asks for. Default: all of it, as
	// whoever writes this file has chosen the module.
	Grant *GrantConfig `json:"grant,omitempty"`
	// Mode is Enforce (default) or Shadow: a shadow runs on the same events, and
	// what it would change is shown by status and never done.
	Mode string `json:"mode,omitempty"`
	// InsteadOf is the module that a shadow is compared in place of; empty: it is
	// compared as one more module.
	InsteadOf string `json:"insteadOf,omitempty"`
	// Rollout bounds what a new generation may change when it takes over.
	Rollout RolloutConfig `json:"rollout"`
	// Config is handed to the module.
	Config json.RawMessage `json:"config,omitempty"`
}

// RolloutConfig counts pairs of a source and a destination, Pods for the most
// part, that lose or gain some port. What is left out is not bounded.
type RolloutConfig struct {
	MaxNewDenies *int `json:"maxNewDenies,omitempty"`
	MaxNewAllows *int `json:"maxNewAllows,omitempty"`
}

// GrantConfig is what a module may do, at most.
type GrantConfig struct {
	Resources []string `json:"resources,omitempty"` // "networkpolicies.networking.k8s.io"; "*": all it asks for
	Tiers     []string `json:"tiers,omitempty"`     // admin, network, baseline
	Actions   []string `json:"actions,omitempty"`   // allow, deny, reject, pass
	// Limits of memory, time and size: what the manifest asks for beyond them it
	// does not get. Those that are left out are the defaults of abi/README.md.
	Limits abi.Limits `json:"limits"`
}

// ModuleSource is one of builtin, file and oci.
type ModuleSource struct {
	// Builtin is a module that the agent carries in itself.
	Builtin string `json:"builtin,omitempty"`
	// File is a Wasm file, which is watched.
	File string `json:"file,omitempty"`
	// OCI is HOST/REPOSITORY[:TAG][@sha256:HEX] or oci-layout:DIR[:TAG][@sha256:HEX].
	// It must be pinned, by its own digest or by the field digest.
	OCI string `json:"oci,omitempty"`

	// Digest of the Wasm file, "sha256:...", wherever it comes from. Any other
	// is not loaded.
	Digest string `json:"digest,omitempty"`

	// What follows goes with oci.

	// PublicKey, in PEM, must have signed the artifact, as "sluicectl module
	// sign" and "cosign sign --key" do. PublicKeyFile holds one.
	PublicKey     string `json:"publicKey,omitempty"`
	PublicKeyFile string `json:"publicKeyFile,omitempty"`
	// Credentials is a file in the form of docker's config.json. Default: none.
	Credentials string `json:"credentials,omitempty"`
	// PlainHTTP is for a registry without TLS.
	PlainHTTP bool `json:"plainHTTP,omitempty"`
	// CacheDir keeps what was fetched, for when the registry is away. Default
	// /var/lib/sluice/modules.
	CacheDir string `json:"cacheDir,omitempty"`
}

// Words of ModuleConfig.OnFirstFailure, ModuleConfig.Mode and OVSConfig.Datapath.
const (
	Hold   = "hold"
	Ignore = "ignore"

	Enforce = "Enforce"
	Shadow  = "Shadow"

	DatapathAuto   = "auto"
	DatapathSystem = "system"
	DatapathNetdev = "netdev"
)

// DefaultModule is what runs when the configuration names no module.
const DefaultModule = "networkpolicy"

// LoadConfig reads a configuration file and fills in the defaults.
func LoadConfig(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	var c Config
	if err := yaml.UnmarshalStrict(text, &c); err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	if err := c.complete(); err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

func (c *Config) complete() error {
	defaults := []struct {
		field *string
		value string
	}{
		{&c.StateDir, "/var/lib/sluice"},
		{&c.CNISocket, "/run/sluice/cni.sock"},
		{&c.AdminSocket, "/run/sluice/admin.sock"},
		{&c.OVS.Database, "unix:/run/openvswitch/db.sock"},
		{&c.OVS.RunDir, "/run/openvswitch"},
		{&c.OVS.Bridge, "br-sluice"},
		{&c.OVS.Gateway, "sluice-gw0"},
		{&c.OVS.Datapath, DatapathAuto},
		{&c.Sandbox.RecordingDir, "/var/lib/sluice/recordings"},
	}
	for _, d := range defaults {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	c.CNI.complete(c.Manifests != "")
	c.Services.complete()
	if c.AdoptExistingPods == nil {
		adopt := true
		c.AdoptExistingPods = &adopt
	}
	if c.NodeName == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("nodeName is not set and the host name cannot be read: %w", err)
		}
		c.NodeName = name
	}
	if err := c.DNS.complete(); err != nil {
		return err
	}
	if len(c.OVS.Gateway) > 15 {
		return fmt.Errorf("ovs.gateway %q is %d characters: an interface name has at most 15", c.OVS.Gateway, len(c.OVS.Gateway))
	}
	if err := c.CNI.checkProfile(); err != nil {
		return err
	}
	switch c.OVS.Datapath {
	case DatapathAuto, DatapathSystem, DatapathNetdev:
	default:
		return fmt.Errorf("ovs.datapath is %q: use auto, system or netdev", c.OVS.Datapath)
	}
	if min(c.Audit.MaxMiB, c.Audit.LinesPerSecond, c.Limits.Flows, c.Limits.Clauses, c.Limits.Buckets) < 0 {
		return fmt.Errorf("audit.maxMiB, audit.linesPerSecond, limits.flows, limits.clauses and limits.buckets must not be negative: leave them out for their defaults")
	}
	switch {
	case c.Manifests == "" && c.Kubernetes == nil:
		return fmt.Errorf("neither kubernetes nor manifests is set: write `kubernetes: {}` in a cluster, or name a directory of Kubernetes manifests")
	case c.Manifests != "" && c.Kubernetes != nil:
		return fmt.Errorf("both kubernetes and manifests are set: objects come from one of them; remove the other")
	}
	if c.Kubernetes != nil {
		c.Kubernetes.complete()
		c.Probes.Address = cmp.Or(c.Probes.Address, defaultProbes)
	}
	if c.Modules == nil { // an empty list says that PolicyModules alone decide
		c.Modules = []ModuleConfig{{Name: DefaultModule, Source: ModuleSource{Builtin: DefaultModule}}}
	}
	return c.checkModules()
}

func (c *Config) checkModules() error {
	seen := map[string]bool{}
	for i := range c.Modules {
		m := &c.Modules[i]
		switch {
		case m.Name == "":
			return fmt.Errorf("modules[%d].name is not set", i)
		case seen[m.Name]:
			return fmt.Errorf("modules[%d].name %q is used twice", i, m.Name)
		}
		if err := m.Source.complete(); err != nil {
			return fmt.Errorf("modules[%d].source%w", i, err)
		}
		seen[m.Name] = true
		if err := m.checkMode(); err != nil {
			return fmt.Errorf("modules[%d].%w", i, err)
		}
		switch m.OnFirstFailure {
		case "":
			m.OnFirstFailure = Hold
		case Hold, Ignore:
		default:
			return fmt.Errorf("modules[%d].onFirstFailure is %q: use hold or ignore", i, m.OnFirstFailure)
		}
	}
	return nil
}

func (m *ModuleConfig) checkMode() error {
	switch m.Mode {
	case "":
		m.Mode = Enforce
	case Enforce, Shadow:
	default:
		return fmt.Errorf("mode is %q: use Enforce or Shadow", m.Mode)
	}
	bounds := []*int{m.Rollout.MaxNewDenies, m.Rollout.MaxNewAllows}
	bounded := slices.ContainsFunc(bounds, func(n *int) bool { return n != nil })
	switch {
	case m.Mode == Enforce && m.InsteadOf != "":
		return fmt.Errorf("insteadOf is set, but the module is enforced: it is for mode Shadow")
	case m.Mode == Shadow && bounded:
		return fmt.Errorf("rollout is set, but a shadow puts nothing in force: leave one of them out")
	case slices.ContainsFunc(bounds, func(n *int) bool { return n != nil && *n < 0 }):
		return fmt.Errorf("rollout: a bound is negative: use 0 to allow none, or leave it out for no bound")
	}
	return nil
}
