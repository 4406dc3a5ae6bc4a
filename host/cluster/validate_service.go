package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	objectvalidation "k8s.io/apimachinery/pkg/api/validation"
	labelvalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateService makes the checks of k8s.io/kubernetes,
// pkg/apis/core/validation, on what Sluice reads of a Service. One is added:
// a cluster IP must be there, since nobody allots one.
func validateService(service *corev1.Service) field.ErrorList {
	errs := objectvalidation.ValidateObjectMeta(&service.ObjectMeta, true, objectvalidation.NameIsDNSLabel, field.NewPath("metadata"))
	spec, at := &service.Spec, field.NewPath("spec")
	types := []corev1.ServiceType{
		corev1.ServiceTypeClusterIP, corev1.ServiceTypeExternalName, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeNodePort,
	}
	if !slices.Contains(types, spec.Type) {
		return append(errs, field.NotSupported(at.Child("type"), spec.Type, types))
	}
	errs = append(errs, validateServicePorts(spec, at.Child("ports"))...)
	errs = append(errs, labelvalidation.ValidateLabels(spec.Selector, at.Child("selector"))...)
	errs = append(errs, validateAffinity(spec, at)...)
	errs = append(errs, validateClusterIPs(spec, at)...)
	for i, ip := range spec.ExternalIPs {
		errs = append(errs, validateEndpointAddress(ip, at.Child("externalIPs").Index(i))...)
	}
	errs = append(errs, validateSourceRanges(spec, at.Child("loadBalancerSourceRanges"))...)
	errs = append(errs, validateTrafficPolicies(spec, at)...)
	return append(errs, validateLoadBalancer(service, field.NewPath("status", "loadBalancer", "ingress"))...)
}

func isHeadless(spec *corev1.ServiceSpec) bool {
	return len(spec.ClusterIPs) == 1 && spec.ClusterIPs[0] == corev1.ClusterIPNone
}

func validateServicePorts(spec *corev1.ServiceSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(spec.Ports) == 0 && !isHeadless(spec) && spec.Type != corev1.ServiceTypeExternalName {
		errs = append(errs, field.Required(at, ""))
	}
	type number struct {
		protocol corev1.Protocol
		port     int32
	}
	names, numbers := map[string]bool{}, map[number]bool{}
	for i := range spec.Ports {
		port, at := &spec.Ports[i], at.Index(i)
		switch {
		case port.Name == "" && len(spec.Ports) > 1:
			errs = append(errs, field.Required(at.Child("name"), "must be given where there are several ports"))
		case port.Name != "":
			for _, message := range validation.IsDNS1123Label(port.Name) {
				errs = append(errs, field.Invalid(at.Child("name"), port.Name, message))
			}
			if names[port.Name] {
				errs = append(errs, field.Duplicate(at.Child("name"), port.Name))
			}
			names[port.Name] = true
		}
		for _, message := range validation.IsValidPortNum(int(port.Port)) {
			errs = append(errs, field.Invalid(at.Child("port"), port.Port, message))
		}
		errs = append(errs, validateProtocol(port.Protocol, at.Child("protocol"))...)
		errs = append(errs, validateTargetPort(port.TargetPort, at.Child("targetPort"))...)
		if n := (number{port.Protocol, port.Port}); numbers[n] {
			errs = append(errs, field.Duplicate(at.Child("port"), fmt.Sprintf("%d/%s", n.port, n.protocol)))
		} else {
			numbers[n] = true
		}
	}
	return errs
}

func validateTargetPort(port intstr.IntOrString, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if port.Type == intstr.Int {
		for _, message := range validation.IsValidPortNum(port.IntValue()) {
			errs = append(errs, field.Invalid(at, port.IntValue(), message))
		}
		return errs
	}
	for _, message := range validation.IsValidPortName(port.StrVal) {
		errs = append(errs, field.Invalid(at, port.StrVal, message))
	}
	return errs
}

// maxAffinitySeconds is a day (MaxClientIPServiceAffinitySeconds of
// pkg/apis/core).
const maxAffinitySeconds = 86400

func validateAffinity(spec *corev1.ServiceSpec, at *field.Path) field.ErrorList {
	switch spec.SessionAffinity {
	case corev1.ServiceAffinityNone:
		return nil
	case corev1.ServiceAffinityClientIP:
		if seconds := *spec.SessionAffinityConfig.ClientIP.TimeoutSeconds; seconds <= 0 || seconds > maxAffinitySeconds {
			return field.ErrorList{field.Invalid(at.Child("sessionAffinityConfig", "clientIP", "timeoutSeconds"), seconds,
				fmt.Sprintf("must be greater than 0 and at most %d", maxAffinitySeconds))}
		}
		return nil
	}
	return field.ErrorList{field.NotSupported(at.Child("sessionAffinity"), spec.SessionAffinity,
		[]corev1.ServiceAffinity{corev1.ServiceAffinityClientIP, corev1.ServiceAffinityNone})}
}

func validateClusterIPs(spec *corev1.ServiceSpec, at *field.Path) field.ErrorList {
	one, all := at.Child("clusterIP"), at.Child("clusterIPs")
	switch {
	case spec.Type == corev1.ServiceTypeExternalName:
		if spec.ClusterIP != "" || len(spec.ClusterIPs) > 0 {
			return field.ErrorList{field.Forbidden(all, "may not be set for ExternalName services")}
		}
		return nil
	case spec.ClusterIP == "" && len(spec.ClusterIPs) > 0:
		return field.ErrorList{field.Required(one, fmt.Sprintf("must be the first of `clusterIPs`, which is %s", spec.ClusterIPs[0]))}
	case spec.ClusterIP == "":
		return field.ErrorList{field.Required(one, "no API server is here to allot an address: write one, or None for a headless Service")}
	case spec.ClusterIPs[0] != spec.ClusterIP:
		return field.ErrorList{field.Invalid(all, spec.ClusterIPs, "first value must match `clusterIP`")}
	case isHeadless(spec):
		if spec.Type != corev1.ServiceTypeClusterIP {
			return field.ErrorList{field.Invalid(one, corev1.ClusterIPNone, fmt.Sprintf("may not be set to 'None' for %s services", spec.Type))}
		}
		return nil
	}
	var errs field.ErrorList
	var families []corev1.IPFamily
	for i, ip := range spec.ClusterIPs {
		address, err := netip.ParseAddr(ip)
		if err != nil || address.Zone() != "" || address.Is4In6() {
			if wrong := validateAddress(ip, all.Index(i)); len(wrong) > 0 {
				return append(errs, wrong...)
			}
			return append(errs, field.Invalid(all.Index(i), ip, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"))
		}
		family := corev1.IPv4Protocol
		if address.Is6() {
			family = corev1.IPv6Protocol
		}
		if slices.Contains(families, family) {
			errs = append(errs, field.Invalid(all, spec.ClusterIPs, "may specify no more than one IP for each IP family"))
		}
		families = append(families, family)
		if i < len(spec.IPFamilies) && spec.IPFamilies[i] != family {
			errs = append(errs, field.Invalid(all.Index(i), ip, fmt.Sprintf("expected an %s value as indicated by `ipFamilies[%d]`", spec.IPFamilies[i], i)))
		}
	}
	if policy := spec.IPFamilyPolicy; policy != nil && *policy == corev1.IPFamilyPolicyRequireDualStack && len(families) == 1 {
		errs = append(errs, field.Required(all.Index(1), "`ipFamilyPolicy` is RequireDualStack, and no API server is here to allot an address: write one of the other family"))
	}
	return errs
}

func validateSourceRanges(spec *corev1.ServiceSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(spec.LoadBalancerSourceRanges) > 0 && spec.Type != corev1.ServiceTypeLoadBalancer {
		errs = append(errs, field.Forbidden(at, "may only be used when `type` is 'LoadBalancer'"))
	}
	for i, text := range spec.LoadBalancerSourceRanges {
		// Space around it is part of the API by accident.
		_, wrong := parseCIDR(strings.TrimSpace(text), at.Index(i))
		errs = append(errs, wrong...)
	}
	return errs
}

func validateTrafficPolicies(spec *corev1.ServiceSpec, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	internal := []corev1.ServiceInternalTrafficPolicy{corev1.ServiceInternalTrafficPolicyCluster, corev1.ServiceInternalTrafficPolicyLocal}
	if p := spec.InternalTrafficPolicy; p != nil && !slices.Contains(internal, *p) {
		errs = append(errs, field.NotSupported(at.Child("internalTrafficPolicy"), *p, internal))
	}
	external := []corev1.ServiceExternalTrafficPolicy{corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceExternalTrafficPolicyLocal}
	switch p := spec.ExternalTrafficPolicy; {
	case !externallyAccessible(spec):
		if p != "" {
			errs = append(errs, field.Invalid(at.Child("externalTrafficPolicy"), p, "may only be set for externally-accessible services"))
		}
	case !slices.Contains(external, p):
		errs = append(errs, field.NotSupported(at.Child("externalTrafficPolicy"), p, external))
	}
	distributions := []string{
		corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameNode, corev1.ServiceTrafficDistributionPreferSameZone,
	}
	if d := spec.TrafficDistribution; d != nil && !slices.Contains(distributions, *d) {
		errs = append(errs, field.NotSupported(at.Child("trafficDistribution"), *d, distributions))
	}
	return errs
}

func validateLoadBalancer(service *corev1.Service, at *field.Path) field.ErrorList {
	ingress := service.Status.LoadBalancer.Ingress
	if len(ingress) > 0 && service.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return field.ErrorList{field.Forbidden(at, "may only be used when `spec.type` is 'LoadBalancer'")}
	}
	var errs field.ErrorList
	modes := []corev1.LoadBalancerIPMode{corev1.LoadBalancerIPModeProxy, corev1.LoadBalancerIPModeVIP}
	for i := range ingress {
		at := at.Index(i)
		if ingress[i].IP != "" {
			errs = append(errs, validateAddress(ingress[i].IP, at.Child("ip"))...)
		}
		switch mode := ingress[i].IPMode; {
		case mode == nil:
		case ingress[i].IP == "":
			errs = append(errs, field.Forbidden(at.Child("ipMode"), "may not be specified when `ip` is not set"))
		case !slices.Contains(modes, *mode):
			errs = append(errs, field.NotSupported(at.Child("ipMode"), *mode, modes))
		}
	}
	return errs
}
