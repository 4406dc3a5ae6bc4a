package policy

import (
	"strconv"

	"github.com/sluice-net/sluice/abi"
)

// TierName is the tier in words: "admin", "network" or "baseline".
func TierName(t abi.Tier) string {
	switch t {
	case abi.Admin:
		return "admin"
	case abi.Network:
		return "network"
	case abi.Baseline:
		return "baseline"
	}
	return "tier " + strconv.Itoa(int(t))
}

// ActionName is the action in words: "allow", "deny", "reject" or "pass".
func ActionName(a abi.Action) string {
	switch a {
	case abi.Allow:
		return "allow"
	case abi.Deny:
		return "deny"
	case abi.Reject:
		return "reject"
	case abi.Pass:
		return "pass"
	}
	return "action " + strconv.Itoa(int(a))
}

// DirectionName is the direction in words: "ingress" or "egress".
func DirectionName(d abi.Direction) string {
	switch d {
	case abi.Ingress:
		return "ingress"
	case abi.Egress:
		return "egress"
	}
	return "direction " + strconv.Itoa(int(d))
}

// ProtocolName is the protocol as Kubernetes writes it: "TCP", "UDP", "SCTP",
// "ICMP", "ICMPv6"; "any" for AnyProtocol.
func ProtocolName(p abi.Protocol) string {
	switch p {
	case abi.AnyProtocol:
		return "any"
	case abi.ICMP:
		return "ICMP"
	case abi.TCP:
		return "TCP"
	case abi.UDP:
		return "UDP"
	case abi.ICMPv6:
		return "ICMPv6"
	case abi.SCTP:
		return "SCTP"
	}
	return "protocol " + strconv.Itoa(int(p))
}

func tierOf(word string) (abi.Tier, bool) {
	for t := abi.Admin; t <= abi.Baseline; t++ {
		if TierName(t) == word {
			return t, true
		}
	}
	return 0, false
}

func actionOf(word string) (abi.Action, bool) {
	for a := abi.Allow; a <= abi.Pass; a++ {
		if ActionName(a) == word {
			return a, true
		}
	}
	return 0, false
}
