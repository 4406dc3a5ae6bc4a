package cluster

import (
	"fmt"
	"net/netip"

	networkingv1 "k8s.io/api/networking/v1"
	selectorvalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validateNetworkPolicy makes the checks of k8s.io/kubernetes,
// pkg/apis/networking/validation, in its words where they say what to do.
func validateNetworkPolicy(spec *networkingv1.NetworkPolicySpec, at *field.Path) field.ErrorList {
	errs := selectorvalidation.ValidateLabelSelector(&spec.PodSelector, selectorvalidation.LabelSelectorValidationOptions{}, at.Child("podSelector"))
	for i, rule := range spec.Ingress {
		at := at.Child("ingress").Index(i)
		errs = append(errs, validatePolicyPorts(rule.Ports, at.Child("ports"))...)
		errs = append(errs, validatePeers(rule.From, at.Child("from"))...)
	}
	for i, rule := range spec.Egress {
		at := at.Child("egress").Index(i)
		errs = append(errs, validatePolicyPorts(rule.Ports, at.Child("ports"))...)
		errs = append(errs, validatePeers(rule.To, at.Child("to"))...)
	}
	return append(errs, validatePolicyTypes(spec.PolicyTypes, at.Child("policyTypes"))...)
}

func validatePolicyTypes(types []networkingv1.PolicyType, at *field.Path) field.ErrorList {
	if len(types) > 2 {
		return field.ErrorList{field.Invalid(at, types, "may not specify more than two policyTypes")}
	}
	var errs field.ErrorList
	for i, policyType := range types {
		if policyType != networkingv1.PolicyTypeIngress && policyType != networkingv1.PolicyTypeEgress {
			errs = append(errs, field.NotSupported(at.Index(i), policyType,
				[]networkingv1.PolicyType{networkingv1.PolicyTypeEgress, networkingv1.PolicyTypeIngress}))
		}
	}
	return errs
}

func validatePolicyPorts(ports []networkingv1.NetworkPolicyPort, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range ports {
		errs = append(errs, validatePolicyPort(&ports[i], at.Index(i))...)
	}
	return errs
}

func validatePolicyPort(port *networkingv1.NetworkPolicyPort, at *field.Path) field.ErrorList {
	errs := validateProtocol(*port.Protocol, at.Child("protocol"))
	end := at.Child("endPort")
	switch {
	case port.Port == nil:
		if port.EndPort != nil {
			errs = append(errs, field.Invalid(end, *port.EndPort, "may not be specified when `port` is not specified"))
		}
	case port.Port.Type == intstr.Int:
		for _, message := range validation.IsValidPortNum(int(port.Port.IntVal)) {
			errs = append(errs, field.Invalid(at.Child("port"), port.Port.IntVal, message))
		}
		if port.EndPort == nil {
			break
		}
		if *port.EndPort < port.Port.IntVal {
			errs = append(errs, field.Invalid(end, *port.EndPort, fmt.Sprintf("must be greater than or equal to `port`, which is %d", port.Port.IntVal)))
		}
		for _, message := range validation.IsValidPortNum(int(*port.EndPort)) {
			errs = append(errs, field.Invalid(end, *port.EndPort, message))
		}
	default:
		for _, message := range validation.IsValidPortName(port.Port.StrVal) {
			errs = append(errs, field.Invalid(at.Child("port"), port.Port.StrVal, message))
		}
		if port.EndPort != nil {
			errs = append(errs, field.Invalid(end, *port.EndPort, "may not be specified when `port` is non-numeric"))
		}
	}
	return errs
}

func validatePeers(peers []networkingv1.NetworkPolicyPeer, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, peer := range peers {
		at := at.Index(i)
		selects := peer.PodSelector != nil || peer.NamespaceSelector != nil
		options := selectorvalidation.LabelSelectorValidationOptions{}
		errs = append(errs, selectorvalidation.ValidateLabelSelector(peer.PodSelector, options, at.Child("podSelector"))...)
		errs = append(errs, selectorvalidation.ValidateLabelSelector(peer.NamespaceSelector, options, at.Child("namespaceSelector"))...)
		if peer.IPBlock != nil {
			errs = append(errs, validateIPBlock(peer.IPBlock, at.Child("ipBlock"))...)
		}
		switch {
		case !selects && peer.IPBlock == nil:
			errs = append(errs, field.Required(at, "must specify a peer"))
		case selects && peer.IPBlock != nil:
			errs = append(errs, field.Forbidden(at, "may not specify both ipBlock and another peer"))
		}
	}
	return errs
}

func validateIPBlock(block *networkingv1.IPBlock, at *field.Path) field.ErrorList {
	if block.CIDR == "" {
		return field.ErrorList{field.Required(at.Child("cidr"), "")}
	}
	cidr, errs := parseCIDR(block.CIDR, at.Child("cidr"))
	for i, text := range block.Except {
		at := at.Child("except").Index(i)
		except, wrong := parseCIDR(text, at)
		errs = append(errs, wrong...)
		if len(wrong) > 0 || !cidr.IsValid() {
			continue
		}
		if !cidr.Contains(except.Addr()) || except.Bits() <= cidr.Bits() {
			errs = append(errs, field.Invalid(at, text, fmt.Sprintf("must be a strict subset of `cidr`, which is %s", block.CIDR)))
		}
	}
	return errs
}

// parseCIDR takes a CIDR. Address bits beyond the prefix length are ignored, as
// API servers did until StrictIPCIDRValidation, and as policies that are in use
// count on; leading zeros and IPv4-mapped forms, which programs read
// differently, are refused.
func parseCIDR(text string, at *field.Path) (netip.Prefix, field.ErrorList) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		if errs := validation.IsValidCIDRForLegacyField(at, text, true, nil); len(errs) > 0 {
			return netip.Prefix{}, errs
		}
		return netip.Prefix{}, field.ErrorList{field.Invalid(at, text, err.Error())}
	}
	if prefix.Addr().Is4In6() {
		return netip.Prefix{}, field.ErrorList{field.Invalid(at, text, "must not have an IPv4-mapped IPv6 address")}
	}
	return prefix.Masked(), nil
}
