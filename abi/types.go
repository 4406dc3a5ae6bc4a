package abi

// Version is the major version of the contract. A module says that it speaks
// it by exporting a function named Marker.
const (
	Version = 1
	Marker  = "sluice_abi_v1"
)

// EventBatch is what one call of sluice_handle is about.
//
// With Reset the module forgets everything it knew: the events that follow are
// the whole state. A batch is a pure function of state, so a fresh instance
// that is handed the whole state must end with the same sets, rules and
// isolations as one that lived through the history.
type EventBatch struct {
	Sequence uint64
	Reset    bool
	Events   []Event
}

// Event is one of *Configure, *ObjectPut, *ObjectDelete, *Tick.
type Event interface{ event() }

// Configure carries the operator's configuration of the module, JSON that its
// schema has accepted. It is always the first event after a reset.
type Configure struct {
	JSON []byte
}

// ObjectPut says that an object exists with this content. Resource is the
// lower-case plural, followed by a dot and the API group unless the group is
// the core one: "networkpolicies.networking.k8s.io".
type ObjectPut struct {
	Resource   string
	Namespace  string
	Name       string
	UID        string
	Generation int64
	JSON       []byte
}

// ObjectDelete says that an object is gone.
type ObjectDelete struct {
	Resource  string
	Namespace string
	Name      string
	UID       string
}

// Tick is the wall clock, in nanoseconds since 1970-01-01 UTC.
type Tick struct {
	UnixNanos int64
}

func (*Configure) event()    {}
func (*ObjectPut) event()    {}
func (*ObjectDelete) event() {}
func (*Tick) event()         {}

// Request is one flow request: *PutSet, *PatchSet, *DeleteSet, *PutRule,
// *DeleteRule, *PutIsolation, *DeleteIsolation or *Report. All requests of one
// call are one transaction: they take effect together or not at all.
type Request interface{ request() }

// PutSet creates the set Name or replaces it whole.
type PutSet struct {
	Name string
	Spec SetSpec
}

// PatchSet adds blocks to, and removes blocks from, a set of addresses. A block
// that is added again replaces the one with the same CIDR.
type PatchSet struct {
	Name   string
	Add    []Block
	Remove []string
}

// DeleteSet removes a set that no rule and no isolation names any longer when
// the transaction ends.
type DeleteSet struct{ Name string }

// PutRule creates the rule Name or replaces it whole.
type PutRule struct {
	Name string
	Spec RuleSpec
}

// DeleteRule removes a rule.
type DeleteRule struct{ Name string }

// PutIsolation creates the isolation Name or replaces it whole.
type PutIsolation struct {
	Name string
	Spec IsolationSpec
}

// DeleteIsolation removes an isolation.
type DeleteIsolation struct{ Name string }

// Report is shown to the person who wrote the policy object.
type Report struct {
	Object    Origin
	Condition Condition
}

func (*PutSet) request()          {}
func (*PatchSet) request()        {}
func (*DeleteSet) request()       {}
func (*PutRule) request()         {}
func (*DeleteRule) request()      {}
func (*PutIsolation) request()    {}
func (*DeleteIsolation) request() {}
func (*Report) request()          {}

// SetSpec is *Pods, *Nodes or *Addresses.
type SetSpec interface{ set() }

// Pods selects Pods of the cluster network (never hostNetwork Pods). The scope
// is the union of the named Namespaces and, if NamespaceSelector is not nil,
// the namespaces that it selects; an empty scope is malformed, never "all".
type Pods struct {
	Namespaces        []string
	NamespaceSelector *Selector
	PodSelector       Selector
}

// Nodes selects nodes by label; its members are the addresses of the nodes.
type Nodes struct {
	Selector Selector
}

// Addresses is a union of blocks.
type Addresses struct {
	Blocks []Block
}

func (*Pods) set()      {}
func (*Nodes) set()     {}
func (*Addresses) set() {}

// Block is a CIDR without the CIDRs in Except, which lie inside it. Except
// narrows this block only: another block of any set may still contain the
// address.
type Block struct {
	CIDR   string
	Except []string
}

// Selector is the conjunction of its requirements; without any it selects
// everything (Kubernetes LabelSelector, with matchLabels written as In).
type Selector struct {
	Requirements []Requirement
}

// Requirement tests one label.
type Requirement struct {
	Key      string
	Operator Operator
	Values   []string
}

// Operator of a Requirement. NotIn and DoesNotExist hold when the key is
// absent (k8s.io/apimachinery, labels.Requirement).
type Operator uint8

// The operators of metav1.LabelSelectorRequirement.
const (
	In           Operator = 1
	NotIn        Operator = 2
	Exists       Operator = 3
	DoesNotExist Operator = 4
)

// Tier orders modules: Admin is asked before Network before Baseline.
type Tier uint8

// The tiers.
const (
	Admin    Tier = 1
	Network  Tier = 2
	Baseline Tier = 3
)

// Direction is seen from the subject.
type Direction uint8

// The directions.
const (
	Ingress Direction = 1
	Egress  Direction = 2
)

// Action of a rule.
type Action uint8

// The actions. Pass leaves the tier: the next tier decides. Among rules of one
// module and tier with the same priority Deny wins over Reject over Pass over
// Allow.
const (
	Allow  Action = 1
	Deny   Action = 2
	Reject Action = 3
	Pass   Action = 4
)

// Protocol is the IP protocol number (IANA) of a port; 0 stands for every
// protocol.
type Protocol uint8

// The protocols that a Port may name.
const (
	AnyProtocol Protocol = 0
	ICMP        Protocol = 1
	TCP         Protocol = 6
	UDP         Protocol = 17
	ICMPv6      Protocol = 58
	SCTP        Protocol = 132
)

// Port is what a rule admits of a protocol: a range of destination ports (First
// to Last, both included; 0 and 0 = every port), or a port by the Name that
// the destination Pod gives it, or, for ICMP, a type and code. A name matches
// nothing on an address that is no Pod's.
type Port struct {
	Protocol Protocol
	First    uint16
	Last     uint16
	Name     string
	ICMP     *ICMPKind
}

// ICMPKind narrows a Port of protocol ICMP or ICMPv6. AnyCode ignores Code.
type ICMPKind struct {
	Type    uint8
	Code    uint8
	AnyCode bool
}

// RuleSpec is what a rule says. Subjects are names of sets of Pods: the rule
// is about traffic that leaves them (Egress) or reaches them (Ingress). The
// other end must be in one of Peers, or may be anything if AnyPeer. Empty Ports
// means every protocol and port. A higher Priority is asked first.
type RuleSpec struct {
	Tier      Tier
	Direction Direction
	Priority  int32
	Subjects  []string
	Peers     []string
	AnyPeer   bool
	Ports     []Port
	Action    Action
	Log       bool
	Origin    Origin
}

// IsolationSpec denies, at the end of a tier, what no rule of that tier
// decided for the subjects.
type IsolationSpec struct {
	Tier      Tier
	Direction Direction
	Subjects  []string
	Origin    Origin
}

// Origin names the object, and the place in it, that a request comes from, in
// the words of its author. Rule is for instance "ingress[2]".
type Origin struct {
	Resource  string
	Namespace string
	Name      string
	Rule      string
}

// Condition is a metav1.Condition without its times.
type Condition struct {
	Type    string
	True    bool
	Reason  string
	Message string
}

// EmitError is what sluice.emit answers: 0, or why the requests were not staged.
type EmitError int32

// The answers of sluice.emit.
const (
	OK         EmitError = 0
	Malformed  EmitError = -1
	TooLarge   EmitError = -2
	NotGranted EmitError = -3
	Quota      EmitError = -4
	UnknownSet EmitError = -5
)

// The answers of sluice_handle. Every other value is fatal to the generation.
const (
	Commit    int32 = 0 // apply what was emitted
	CannotDo  int32 = 1 // drop what was emitted, go on with the next batch
	MaxName         = 253
	RecvSmall       = -2 // sluice.recv: the buffer is smaller than the batch
)

// Manifest is the JSON of the custom section named ManifestSection.
type Manifest struct {
	Name      string   `json:"name"`
	Version   string   `json:"version"`
	ABI       int      `json:"abi"`
	Resources []string `json:"resources"`
	Tiers     []string `json:"tiers"`
	Actions   []string `json:"actions"`
	// TickSeconds is how often it wants a Tick; 0 is never.
	TickSeconds int         `json:"tickSeconds,omitempty"`
	Limits      *Limits     `json:"limits,omitempty"`
	ConfigJSON  interface{} `json:"configSchema,omitempty"`
}

// ManifestSection is the name of the custom section with the manifest.
const ManifestSection = "sluice.manifest"

// Limits of one module. Zero means the default.
type Limits struct {
	MemoryMiB      int `json:"memoryMiB,omitempty"`
	BatchMillis    int `json:"batchMillis,omitempty"`
	SnapshotMillis int `json:"snapshotMillis,omitempty"`
	Rules          int `json:"rules,omitempty"`
	Sets           int `json:"sets,omitempty"`
	Addresses      int `json:"addresses,omitempty"`
}

// DNSAnswers is a resource whose objects are no objects of the cluster: each is a
// name, with the addresses that name servers gave for it to Pods of this node, as
// {"name": "example.com", "addresses": ["192.0.2.1"]}. The object is gone when no
// address is left. A module gets them if its manifest asks for the resource, it is
// granted, and the module imports the capability sluice_dns.enable.
const DNSAnswers = "dnsanswers.sluice.dev"

// LogLevel is the first argument of sluice.log. A level that is not named here
// is taken for the nearest.
type LogLevel int32

// The levels of sluice.log.
const (
	LogDebug LogLevel = 0
	LogInfo  LogLevel = 1
	LogWarn  LogLevel = 2
	LogError LogLevel = 3
)

// MaxEmit is the largest number of bytes that one sluice.emit takes, unless the
// operator says otherwise. A module that emits pieces of a quarter of it is
// always safe.
const MaxEmit = 1 << 20
