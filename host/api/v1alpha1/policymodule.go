package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// PolicyModule is a policy module that runs on every node.
//
// It takes the place of the module of the same name in the agents' configuration
// file, for as long as it exists.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=pmod,categories=sluice
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Order",type=integer,JSONPath=`.spec.order`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].reason`
// +kubebuilder:printcolumn:name="Running",type=string,JSONPath=`.status.running`
// +kubebuilder:printcolumn:name="Digest",type=string,priority=1,JSONPath=`.status.digest`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must have at most 63 characters: it names the module in the log, in metrics and in rules"
type PolicyModule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   PolicyModuleSpec   `json:"spec"`
	Status PolicyModuleStatus `json:"status,omitzero"`
}

// PolicyModuleSpec is what the operator wants.
//
// +kubebuilder:validation:XValidation:rule="self.mode == 'Shadow' || !has(self.insteadOf)",message="insteadOf is for mode Shadow: an enforced module takes nobody's place"
// +kubebuilder:validation:XValidation:rule="self.mode == 'Enforce' || !has(self.rollout)",message="rollout bounds what is put in force, and a shadow puts nothing in force: leave one of them out"
type PolicyModuleSpec struct {
	Source ModuleSource `json:"source"`
	// Tier is the only one in which the module may decide. Omitted: every tier that
	// its manifest asks for and the grant allows.
	// +optional
	Tier Tier `json:"tier,omitempty"`
	// Order among the modules of a tier: lower is asked first; of equals, the name
	// that sorts first.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=-1000000
	// +kubebuilder:validation:Maximum=1000000
	Order int32 `json:"order,omitempty"`
	// Config is handed to the module. It must be what the schema in the module's
	// manifest allows.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	Config *runtime.RawExtension `json:"config,omitempty"`
	// Grant cuts what the module's manifest asks for. Omitted: all of it.
	// +optional
	Grant *ModuleGrant `json:"grant,omitempty"`
	// Limits are bounds of what the module may use; 0 or omitted are the agent's.
	// +optional
	Limits *ModuleLimits `json:"limits,omitempty"`
	// Mode says whether what the module says is put in force, or only compared
	// with what is.
	// +optional
	// +kubebuilder:default=Enforce
	Mode Mode `json:"mode,omitempty"`
	// InsteadOf is the module that a shadow is compared in place of; omitted: it is
	// compared as one more module.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	InsteadOf string `json:"insteadOf,omitempty"`
	// Rollout bounds what a new version of the module may change at once.
	// +optional
	Rollout *ModuleRollout `json:"rollout,omitempty"`
	// OnFirstFailure says what a node does while the module has never committed:
	// Hold keeps it as it is and lets no new Pod in; Ignore goes on without the
	// module.
	// +optional
	// +kubebuilder:default=Hold
	OnFirstFailure OnFirstFailure `json:"onFirstFailure,omitempty"`
}

// ModuleSource says where the module's file is.
//
// +kubebuilder:validation:XValidation:rule="[has(self.builtin), has(self.configMap), has(self.file), has(self.oci)].filter(x, x).size() == 1",message="exactly one of builtin, configMap, file and oci must be set"
// +kubebuilder:validation:XValidation:rule="!has(self.configMap) || has(self.digest)",message="digest is needed with configMap: what runs on every node is pinned; `sha256sum FILE.wasm` shows it"
// +kubebuilder:validation:XValidation:rule="!has(self.oci) || has(self.digest) || self.oci.reference.contains('@sha256:')",message="digest is needed with oci unless the reference is pinned with @sha256: a tag alone is for the registry to move"
type ModuleSource struct {
	// Builtin is a module that the agent carries in itself: networkpolicy,
	// clusternetworkpolicy.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Builtin string `json:"builtin,omitempty"`
	// ConfigMap in the namespace of the agents.
	// +optional
	ConfigMap *ConfigMapSource `json:"configMap,omitempty"`
	// File is a path on every node, as the agent sees it. It is watched: a change is
	// a new version.
	// +optional
	// +kubebuilder:validation:Pattern=`^/`
	// +kubebuilder:validation:MaxLength=4096
	File string `json:"file,omitempty"`
	// OCI is an artifact in a registry.
	// +optional
	OCI *OCISource `json:"oci,omitempty"`
	// Digest of the module's file, "sha256:" and 64 hexadecimal digits. What has
	// another one is refused.
	// +optional
	// +kubebuilder:validation:Pattern=`^sha256:[0-9a-f]{64}$`
	Digest string `json:"digest,omitempty"`
}

// ConfigMapSource is a key of a ConfigMap's binaryData. An object of the API has
// at most 1 MiB, which is enough for a module in Rust, C, AssemblyScript or TinyGo.
type ConfigMapSource struct {
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// +optional
	// +kubebuilder:default="module.wasm"
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// OCISource is a module in a registry, as `sluicectl module push` puts it there.
type OCISource struct {
	// Reference, "registry.example.org/policy/house@sha256:…".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Reference string `json:"reference"`
	// PublicKey in PEM, with whose private key the module must be signed. Omitted:
	// it need not be.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	PublicKey string `json:"publicKey,omitempty"`
}

// ModuleGrant is what a module may do, at most. What its manifest does not ask
// for it does not get.
type ModuleGrant struct {
	// Resources that the module may see, "networkpolicies.networking.k8s.io". "*":
	// all that it asks for.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=317
	Resources []string `json:"resources,omitempty"`
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	Tiers []Tier `json:"tiers,omitempty"`
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	Actions []Action `json:"actions,omitempty"`
}

// ModuleLimits bound what a module may use.
type ModuleLimits struct {
	// MemoryMiB of the sandbox.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4096
	MemoryMiB int32 `json:"memoryMiB,omitempty"`
	// BatchMillis that handling a batch of changes may take.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=600000
	BatchMillis int32 `json:"batchMillis,omitempty"`
	// SnapshotMillis that handling the whole state may take.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=600000
	SnapshotMillis int32 `json:"snapshotMillis,omitempty"`
	// Rules and isolations in force.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000000
	Rules int32 `json:"rules,omitempty"`
	// Sets in force.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000000
	Sets int32 `json:"sets,omitempty"`
	// Addresses in all sets.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000000
	Addresses int32 `json:"addresses,omitempty"`
}

// ModuleRollout bounds what a new version may change when it takes over, in pairs
// of Pods (or of a Pod and others) that lose, or gain, some port. Omitted: no bound.
type ModuleRollout struct {
	// +optional
	// +kubebuilder:validation:Minimum=0
	MaxNewDenies *int32 `json:"maxNewDenies,omitempty"`
	// +optional
	// +kubebuilder:validation:Minimum=0
	MaxNewAllows *int32 `json:"maxNewAllows,omitempty"`
}

// Tier is one of those in which rules are asked, in this order.
//
// +kubebuilder:validation:Enum=Admin;Network;Baseline
type Tier string

// Action is what a rule may do.
//
// +kubebuilder:validation:Enum=Allow;Deny;Reject;Pass
type Action string

// Mode says what becomes of what a module says.
//
// +kubebuilder:validation:Enum=Enforce;Shadow
type Mode string

// The modes.
const (
	Enforce Mode = "Enforce"
	Shadow  Mode = "Shadow"
)

// OnFirstFailure is what a node does before a module's first commit.
//
// +kubebuilder:validation:Enum=Hold;Ignore
type OnFirstFailure string

// The choices.
const (
	Hold   OnFirstFailure = "Hold"
	Ignore OnFirstFailure = "Ignore"
)

// PolicyModuleStatus is what became of it on all nodes. One of the agents writes
// it; each node's own words are in its NodePolicyStatus.
type PolicyModuleStatus struct {
	// Digest of the module's file that was read last.
	// +optional
	Digest string `json:"digest,omitempty"`
	// Running says on how many of the nodes with an agent this digest is at work,
	// "3/3".
	// +optional
	Running string `json:"running,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Accepted is the type of the condition that says whether the module could be
// read and may be run as it is written.
const Accepted = "Accepted"

// PolicyModuleList is a list of them.
//
// +kubebuilder:object:root=true
type PolicyModuleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []PolicyModule `json:"items"`
}
