package translate

import (
	"strconv"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/sdk/go/jsonscan"
	"github.com/sluice-net/sluice/sdk/go/kube"
)

// read reads a NetworkPolicy; of it, only the spec matters here. A policy
// without one is legal and isolates the whole namespace on ingress.
func read(json []byte) (spec, error) {
	var policy spec
	d := jsonscan.New(json)
	if d.Kind() != jsonscan.Object {
		return policy, &kube.FieldError{Reason: "is no JSON object"}
	}
	_, err := kube.Object(d, func(field []byte) (err error) {
		if string(field) != "spec" {
			return kube.ErrUnknown
		}
		policy, err = readSpec(d)
		return err
	})
	if err == nil {
		err = d.End()
	}
	return policy, kube.ReadError(err)
}

func readSpec(d *jsonscan.Decoder) (spec, error) {
	var policy spec
	_, err := kube.Object(d, func(field []byte) (err error) {
		switch string(field) {
		case "podSelector":
			policy.subjects, err = kube.Selector(d)
		case "policyTypes":
			policy.types, err = readTypes(d)
		case "ingress":
			policy.ingress, err = readRules(d, "from")
		case "egress":
			policy.egress, err = readRules(d, "to")
		default:
			err = kube.ErrUnknown
		}
		return err
	})
	return policy, err
}

func readTypes(d *jsonscan.Decoder) ([]abi.Direction, error) {
	var types []abi.Direction
	err := kube.List(d, func() error {
		word, err := d.String()
		switch {
		case err != nil:
		case word == "Ingress":
			types = append(types, abi.Ingress)
		case word == "Egress":
			types = append(types, abi.Egress)
		default:
			err = d.Fail(`is neither "Ingress" nor "Egress"`)
		}
		return err
	})
	if err == nil && len(types) > 2 {
		err = d.Fail("has more than two entries")
	}
	return types, err
}

// MaxRules is how many rules a policy may have in one direction.
const MaxRules = 5000

// readRules reads the rules of one direction, which keep their peers in the
// member far.
func readRules(d *jsonscan.Decoder, far string) ([]rule, error) {
	var rules []rule
	err := kube.List(d, func() error {
		var r rule
		seen, err := kube.Object(d, func(field []byte) (err error) {
			switch string(field) {
			case far:
				r.peers, err = readPeers(d)
			case "ports":
				r.ports, err = kube.PolicyPorts(d)
			default:
				err = kube.ErrUnknown
			}
			return err
		})
		if err == nil {
			err = seen.NotOnlyUnknown(d, "allows everything")
		}
		if err == nil && len(rules) == MaxRules {
			err = d.Fail("is one rule too many: the limit is " + strconv.Itoa(MaxRules) + " in each direction; split the policy")
		}
		rules = append(rules, r)
		return err
	})
	return rules, err
}
