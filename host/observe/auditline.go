package observe

import "time"

// AuditLine is one line of the audit log: what was decided about a new
// connection in one direction, and by whom.
type AuditLine struct {
	Time time.Time `json:"time"`
	// Direction is egress or ingress, seen from the Pod that was decided about.
	Direction string `json:"direction"`
	Verdict   string `json:"verdict"`          // allow, deny or reject
	Tier      string `json:"tier,omitempty"`   // admin, network or baseline; nothing if no policy decided
	Module    string `json:"module,omitempty"` // that decided
	// Policies decided: one rule, or all that isolate the Pod and so deny by
	// default. Empty if no policy decided.
	Policies []AuditPolicy `json:"policies,omitempty"`
	Reason   string        `json:"reason"`

	Source      AuditEnd `json:"source"`
	Destination AuditEnd `json:"destination"`

	Protocol        string `json:"protocol"`
	SourcePort      uint16 `json:"sourcePort,omitempty"`
	DestinationPort uint16 `json:"destinationPort,omitempty"`
	ICMPType        *uint8 `json:"icmpType,omitempty"`
	ICMPCode        *uint8 `json:"icmpCode,omitempty"`

	// By is the number of what decided, for telling lines apart.
	By uint32 `json:"-"`
}

// AuditPolicy is a policy object in the words of its author.
type AuditPolicy struct {
	Resource  string `json:"resource,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Rule      string `json:"rule,omitempty"` // "ingress[2]"
}

// AuditEnd is one end of a connection. Namespace and Pod are empty if the address
// is no Pod's.
type AuditEnd struct {
	Namespace string `json:"namespace,omitempty"`
	Pod       string `json:"pod,omitempty"`
	Address   string `json:"address"`
}

// droppedLine says how many lines are missing before it.
type droppedLine struct {
	Time    time.Time `json:"time"`
	Dropped uint64    `json:"dropped"`
}

func (l *AuditLine) key() auditKey {
	k := auditKey{
		Direction: l.Direction, Verdict: l.Verdict, Source: l.Source.Address, Destination: l.Destination.Address, Protocol: l.Protocol,
		SourcePort: l.SourcePort, DestinationPort: l.DestinationPort, By: l.By,
	}
	if l.ICMPType != nil && l.ICMPCode != nil {
		k.SourcePort, k.DestinationPort = uint16(*l.ICMPType), uint16(*l.ICMPCode)
	}
	return k
}
