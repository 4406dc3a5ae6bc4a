package cluster

import corev1 "k8s.io/api/core/v1"

// AuditAnnotation on a Namespace asks for a line in the audit log about every
// decision on a new connection of its Pods: "true".
const AuditAnnotation = "policy.sluice.dev/audit-logging"

// AuditLogging says whether an event's Namespace asks for audit logging. False for
// ok: the event is not about a Namespace. The inventory, which knows what policy
// depends on, has no use for annotations.
func AuditLogging(event Event) (namespace string, on, ok bool) {
	if event.Resource != Namespaces {
		return "", false, false
	}
	ns, put := event.Object.(*corev1.Namespace)
	return event.Name, put && ns.Annotations[AuditAnnotation] == "true", true
}
