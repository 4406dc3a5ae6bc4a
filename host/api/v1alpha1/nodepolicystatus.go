package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// NodePolicyStatus says what is in force on one node. It has the node's name, is
// written by the agent there and by nobody else, and goes with the node.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=nodepolicystatuses,scope=Cluster,shortName=nps,categories=sluice
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Modules",type=string,JSONPath=`.status.modulesRunning`
// +kubebuilder:printcolumn:name="Pods",type=integer,JSONPath=`.status.pods.attached`
// +kubebuilder:printcolumn:name="Refused",type=integer,JSONPath=`.status.refusedTotal`
// +kubebuilder:printcolumn:name="Realised",type=date,JSONPath=`.status.realisedAt`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Agent",type=string,priority=1,JSONPath=`.status.agentVersion`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type NodePolicyStatus struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Status NodeStatus `json:"status,omitzero"`
}

// NodeStatus is what one agent says.
type NodeStatus struct {
	AgentVersion string `json:"agentVersion"`
	// ModulesRunning of the modules that are wanted, "2/2".
	ModulesRunning string `json:"modulesRunning"`
	// Modules in the order in which they are asked.
	// +listType=map
	// +listMapKey=name
	Modules []NodeModule `json:"modules"`
	// Realised says, for each resource that policy comes from, up to which version
	// of it everything has been handled and is in force.
	// +listType=map
	// +listMapKey=resource
	Realised []RealisedResource `json:"realised"`
	// RealisedAt is when that changed last.
	// +optional
	RealisedAt metav1.Time `json:"realisedAt,omitzero"`
	Pods       NodePods    `json:"pods"`
	// RefusedTotal counts what Refused is an excerpt of.
	RefusedTotal int32 `json:"refusedTotal"`
	// Refused are policies of which something is not in force as written, and what
	// keeps objects from being read: at most 32.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Refused []Refusal `json:"refused"`
	// NotServed are resources that a module asks for and the API server does not have:
	// nothing of them can be in force. At most 32.
	// +optional
	// +listType=map
	// +listMapKey=resource
	// +kubebuilder:validation:MaxItems=32
	NotServed []NotServed `json:"notServed,omitempty"`
	// FromDisk is since when the agent enforces what was read from disk, because
	// the API server did not answer when it started. Omitted: it does not.
	// +optional
	FromDisk metav1.Time `json:"fromDisk,omitzero"`
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions"`
}

// Ready is the type of the condition that says whether the node takes new Pods
// and the last change could be put in force.
const Ready = "Ready"

// NodeModule is one module on one node.
type NodeModule struct {
	Name string `json:"name"`
	// State: waiting, loading, running, restarting, failed, stopped.
	State string `json:"state"`
	Mode  Mode   `json:"mode"`
	// Digest of the file that is at work.
	// +optional
	Digest string `json:"digest,omitempty"`
	// Version that the module gives itself.
	// +optional
	Version string `json:"version,omitempty"`
	// Generation counts the files that this agent has read for the module.
	Generation int32 `json:"generation"`
	// ObservedGeneration is metadata.generation of the PolicyModule that is
	// followed; 0 for a module of the agent's configuration file.
	ObservedGeneration int64 `json:"observedGeneration"`
	// LastError, in one line.
	// +optional
	LastError string `json:"lastError,omitempty"`
}

// RealisedResource is how far one resource is in force.
type RealisedResource struct {
	// Resource, "networkpolicies.networking.k8s.io".
	Resource string `json:"resource"`
	// ResourceVersion of the newest object that was handled, or of the list: every
	// object of the resource with this one or a lower one is in force, or refused.
	ResourceVersion string `json:"resourceVersion"`
}

// NodePods counts Pods of the node.
type NodePods struct {
	// Attached Pods are on the bridge.
	Attached int32 `json:"attached"`
	// Adopted ones among them ran before the agent did.
	Adopted int32 `json:"adopted"`
}

// Refusal is a policy that is not in force as written.
type Refusal struct {
	// Object, "networkpolicies.networking.k8s.io shop/web", or a resource.
	Object string `json:"object"`
	// Module that refused it; omitted: the agent itself.
	// +optional
	Module string `json:"module,omitempty"`
	// Reason and what to do.
	Reason string `json:"reason"`
}

// NotServed is a resource that the API server does not have.
type NotServed struct {
	// Resource, "clusternetworkpolicies.policy.networking.k8s.io".
	Resource string `json:"resource"`
	// Reason and what to do, if its objects are wanted.
	Reason string `json:"reason"`
}

// NodePolicyStatusList is a list of them.
//
// +kubebuilder:object:root=true
type NodePolicyStatusList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []NodePolicyStatus `json:"items"`
}
