package cluster

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	objectvalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validate makes the API server's checks on what Sluice reads of an object
// that complete has been applied to.
func validate(object metav1.Object) field.ErrorList {
	switch object := object.(type) {
	case *corev1.Pod:
		return validatePod(object)
	case *corev1.Namespace:
		return objectvalidation.ValidateObjectMeta(&object.ObjectMeta, false, objectvalidation.ValidateNamespaceName, field.NewPath("metadata"))
	case *corev1.Node:
		return validateNode(object)
	case *corev1.Service:
		return validateService(object)
	case *discoveryv1.EndpointSlice:
		return validateEndpointSlice(object)
	case *networkingv1.NetworkPolicy:
		errs := objectvalidation.ValidateObjectMeta(&object.ObjectMeta, true, objectvalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
		return append(errs, validateNetworkPolicy(&object.Spec, field.NewPath("spec"))...)
	}
	return nil
}

func validatePod(pod *corev1.Pod) field.ErrorList {
	errs := objectvalidation.ValidateObjectMeta(&pod.ObjectMeta, true, objectvalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	spec, status := field.NewPath("spec"), field.NewPath("status")
	if pod.Spec.NodeName != "" {
		for _, message := range objectvalidation.NameIsDNSSubdomain(pod.Spec.NodeName, false) {
			errs = append(errs, field.Invalid(spec.Child("nodeName"), pod.Spec.NodeName, message))
		}
	}
	for i := range pod.Spec.InitContainers {
		errs = append(errs, validateContainerPorts(pod.Spec.InitContainers[i].Ports, spec.Child("initContainers").Index(i).Child("ports"))...)
	}
	for i := range pod.Spec.Containers {
		errs = append(errs, validateContainerPorts(pod.Spec.Containers[i].Ports, spec.Child("containers").Index(i).Child("ports"))...)
	}
	for i, ip := range pod.Status.PodIPs {
		errs = append(errs, validateAddress(ip.IP, status.Child("podIPs").Index(i).Child("ip"))...)
	}
	if len(pod.Status.PodIPs) > 0 && pod.Status.PodIPs[0].IP != pod.Status.PodIP {
		errs = append(errs, field.Invalid(status.Child("podIP"), pod.Status.PodIP, "must be the same as podIPs[0].ip"))
	}
	return errs
}

func validateContainerPorts(ports []corev1.ContainerPort, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	names := map[string]bool{}
	for i, port := range ports {
		at := at.Index(i)
		if port.Name != "" {
			for _, message := range validation.IsValidPortName(port.Name) {
				errs = append(errs, field.Invalid(at.Child("name"), port.Name, message))
			}
			if names[port.Name] {
				errs = append(errs, field.Duplicate(at.Child("name"), port.Name))
			}
			names[port.Name] = true
		}
		if port.ContainerPort == 0 {
			errs = append(errs, field.Required(at.Child("containerPort"), ""))
		} else {
			for _, message := range validation.IsValidPortNum(int(port.ContainerPort)) {
				errs = append(errs, field.Invalid(at.Child("containerPort"), port.ContainerPort, message))
			}
		}
		errs = append(errs, validateProtocol(port.Protocol, at.Child("protocol"))...)
	}
	return errs
}

func validateProtocol(protocol corev1.Protocol, at *field.Path) field.ErrorList {
	switch protocol {
	case corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP:
		return nil
	default:
		return field.ErrorList{field.NotSupported(at, protocol, []corev1.Protocol{corev1.ProtocolSCTP, corev1.ProtocolTCP, corev1.ProtocolUDP})}
	}
}

func validateNode(node *corev1.Node) field.ErrorList {
	errs := objectvalidation.ValidateObjectMeta(&node.ObjectMeta, false, objectvalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	for i, cidr := range node.Spec.PodCIDRs {
		at := field.NewPath("spec", "podCIDRs").Index(i)
		if _, err := netip.ParsePrefix(cidr); err != nil {
			errs = append(errs, field.Invalid(at, cidr, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"))
		}
	}
	for i, address := range node.Status.Addresses {
		switch address.Type {
		case corev1.NodeInternalIP, corev1.NodeExternalIP:
			errs = append(errs, validateAddress(address.Address, field.NewPath("status", "addresses").Index(i).Child("address"))...)
		}
	}
	return errs
}

func validateAddress(address string, at *field.Path) field.ErrorList {
	return validation.IsValidIPForLegacyField(at, address, true, nil)
}
