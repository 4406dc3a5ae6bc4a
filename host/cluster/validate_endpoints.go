package cluster

import (
	"fmt"
	"net/netip"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	objectvalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The API server's bounds on one EndpointSlice (k8s.io/kubernetes,
// pkg/apis/discovery/validation).
const (
	maxEndpoints = 1000
	maxAddresses = 100 // of one endpoint
	maxHints     = 8   // of one endpoint and kind
)

// validateEndpointSlice makes the checks of k8s.io/kubernetes,
// pkg/apis/discovery/validation, on what Sluice reads of an EndpointSlice. One
// is added: port 0, which the API server lets pass and kube-proxy passes over.
func validateEndpointSlice(slice *discoveryv1.EndpointSlice) field.ErrorList {
	errs := objectvalidation.ValidateObjectMeta(&slice.ObjectMeta, true, objectvalidation.NameIsDNSSubdomain, field.NewPath("metadata"))
	types := []discoveryv1.AddressType{discoveryv1.AddressTypeFQDN, discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6}
	at := field.NewPath("addressType")
	switch {
	case slice.AddressType == "":
		errs = append(errs, field.Required(at, ""))
	case !slices.Contains(types, slice.AddressType):
		errs = append(errs, field.NotSupported(at, slice.AddressType, types))
	}
	errs = append(errs, validateEndpointPorts(slice.Ports, field.NewPath("ports"))...)
	at = field.NewPath("endpoints")
	if len(slice.Endpoints) > maxEndpoints {
		return append(errs, field.TooMany(at, len(slice.Endpoints), maxEndpoints))
	}
	for i := range slice.Endpoints {
		errs = append(errs, validateEndpoint(&slice.Endpoints[i], slice.AddressType, at.Index(i))...)
	}
	return errs
}

func validateEndpointPorts(ports []discoveryv1.EndpointPort, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	names := map[string]bool{}
	for i := range ports {
		port, at := &ports[i], at.Index(i)
		if *port.Name != "" {
			for _, message := range validation.IsDNS1123Label(*port.Name) {
				errs = append(errs, field.Invalid(at.Child("name"), *port.Name, message))
			}
		}
		if names[*port.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), *port.Name))
		}
		names[*port.Name] = true
		errs = append(errs, validateProtocol(*port.Protocol, at.Child("protocol"))...)
		if port.Port != nil {
			for _, message := range validation.IsValidPortNum(int(*port.Port)) {
				errs = append(errs, field.Invalid(at.Child("port"), *port.Port, message))
			}
		}
	}
	return errs
}

func validateEndpoint(endpoint *discoveryv1.Endpoint, addressType discoveryv1.AddressType, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	addresses := at.Child("addresses")
	switch n := len(endpoint.Addresses); {
	case n == 0:
		errs = append(errs, field.Required(addresses, "must contain at least 1 address"))
	case n > maxAddresses:
		errs = append(errs, field.TooMany(addresses, n, maxAddresses))
	}
	for i, text := range endpoint.Addresses {
		at := addresses.Index(i)
		if addressType == discoveryv1.AddressTypeFQDN {
			errs = append(errs, validation.IsFullyQualifiedDomainName(at, text)...)
			continue
		}
		if wrong := validateEndpointAddress(text, at); len(wrong) > 0 {
			errs = append(errs, wrong...)
			continue
		}
		switch address, _ := netip.ParseAddr(text); {
		case addressType == discoveryv1.AddressTypeIPv4 && !address.Is4():
			errs = append(errs, field.Invalid(at, text, "must be an IPv4 address, as `addressType` says"))
		case addressType == discoveryv1.AddressTypeIPv6 && !address.Is6():
			errs = append(errs, field.Invalid(at, text, "must be an IPv6 address, as `addressType` says"))
		}
	}
	if endpoint.NodeName != nil {
		for _, message := range objectvalidation.NameIsDNSSubdomain(*endpoint.NodeName, false) {
			errs = append(errs, field.Invalid(at.Child("nodeName"), *endpoint.NodeName, message))
		}
	}
	if endpoint.Hints != nil {
		errs = append(errs, validateHints(endpoint.Hints, at.Child("hints"))...)
	}
	return errs
}

func validateHints(hints *discoveryv1.EndpointHints, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if n := len(hints.ForZones); n > maxHints {
		errs = append(errs, field.TooMany(at.Child("forZones"), n, maxHints))
	}
	for i, zone := range hints.ForZones {
		for _, message := range validation.IsValidLabelValue(zone.Name) {
			errs = append(errs, field.Invalid(at.Child("forZones").Index(i).Child("name"), zone.Name, message))
		}
	}
	if n := len(hints.ForNodes); n > maxHints {
		errs = append(errs, field.TooMany(at.Child("forNodes"), n, maxHints))
	}
	for i, node := range hints.ForNodes {
		for _, message := range objectvalidation.NameIsDNSSubdomain(node.Name, false) {
			errs = append(errs, field.Invalid(at.Child("forNodes").Index(i).Child("name"), node.Name, message))
		}
	}
	return errs
}

// validateEndpointAddress refuses addresses that traffic must not be sent to on
// somebody's word (ValidateEndpointIP of pkg/apis/core/validation).
func validateEndpointAddress(text string, at *field.Path) field.ErrorList {
	if errs := validateAddress(text, at); len(errs) > 0 {
		return errs
	}
	address, err := netip.ParseAddr(text)
	if err != nil || address.Is4In6() || address.Zone() != "" {
		return field.ErrorList{field.Invalid(at, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")}
	}
	reason := ""
	switch {
	case address.IsUnspecified():
		reason = fmt.Sprintf("may not be unspecified (%s)", text)
	case address.IsLoopback():
		reason = "may not be in the loopback range (127.0.0.0/8, ::1/128)"
	case address.IsLinkLocalUnicast():
		reason = "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
	case address.IsLinkLocalMulticast():
		reason = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
	default:
		return nil
	}
	return field.ErrorList{field.Invalid(at, text, reason)}
}
