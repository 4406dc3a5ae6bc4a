package translate

import (
	"strconv"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/sdk/go/jsonscan"
	"github.com/sluice-net/sluice/sdk/go/kube"
)

// read reads a ClusterNetworkPolicy; of it, only the spec matters here.
func read(json []byte) (spec, error) {
	var policy *spec
	d := jsonscan.New(json)
	if d.Kind() != jsonscan.Object {
		return spec{}, &kube.FieldError{Reason: "is no JSON object"}
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
	if err == nil && policy == nil {
		err = kube.Wrong(d, "spec", "is required")
	}
	if err != nil {
		return spec{}, kube.ReadError(err)
	}
	return *policy, nil
}

func readSpec(d *jsonscan.Decoder) (*spec, error) {
	policy := &spec{priority: -1}
	var subjects *pods
	_, err := kube.Object(d, func(field []byte) (err error) {
		switch string(field) {
		case "tier":
			policy.tier, err = readTier(d)
		case "priority":
			policy.priority, err = readPriority(d)
		case "subject":
			subjects, err = readSubject(d)
		case "ingress":
			policy.ingress, err = readRules(d, "from", readIngressPeer)
		case "egress":
			policy.egress, err = readRules(d, "to", readEgressPeer)
		default:
			err = kube.ErrUnknown
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	switch {
	case policy.tier == 0:
		return nil, kube.Wrong(d, "tier", "is required")
	case policy.priority < 0:
		return nil, kube.Wrong(d, "priority", "is required")
	case subjects == nil:
		return nil, kube.Wrong(d, "subject", "is required")
	}
	policy.subjects = *subjects
	return policy, nil
}

func readTier(d *jsonscan.Decoder) (abi.Tier, error) {
	word, err := d.String()
	if err != nil {
		return 0, err
	}
	switch word {
	case "Admin":
		return abi.Admin, nil
	case "Baseline":
		return abi.Baseline, nil
	}
	return 0, d.Fail(`is neither "Admin" nor "Baseline"`)
}

func readPriority(d *jsonscan.Decoder) (int64, error) {
	n, err := d.Int64()
	if err == nil && (n < 0 || n > maxPriority) {
		err = d.Fail(strconv.FormatInt(n, 10) + " is no priority (0 to 1000)")
	}
	return n, err
}

// readSubject reads a ClusterNetworkPolicySubject: "Exactly one field must be
// set." One of a kind that is not known selects nobody that could be denied
// anything, so it makes the whole policy invalid.
func readSubject(d *jsonscan.Decoder) (*pods, error) {
	var namespaces, subjects *pods
	_, err := kube.Object(d, func(field []byte) (err error) {
		switch string(field) {
		case "namespaces":
			namespaces, err = readNamespaces(d)
		case "pods":
			subjects, err = readPods(d)
		default:
			err = kube.ErrUnknown
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case (namespaces == nil) == (subjects == nil):
		return nil, d.Fail("must set one of namespaces and pods")
	case namespaces != nil:
		return namespaces, nil
	}
	return subjects, nil
}
