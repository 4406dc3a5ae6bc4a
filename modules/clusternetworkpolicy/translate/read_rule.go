package translate

import (
	"strconv"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/sdk/go/jsonscan"
	"github.com/sluice-net/sluice/sdk/go/kube"
)

// peerReader reads one peer, and tells whether it is of a kind that is known.
type peerReader func(*jsonscan.Decoder) (p peer, known bool, err error)

// readRules reads the rules of one direction, which keep their peers in the
// member far.
func readRules(d *jsonscan.Decoder, far string, readPeer peerReader) ([]rule, error) {
	var rules []rule
	err := kube.List(d, func() error {
		r, err := readRule(d, far, readPeer)
		if err == nil && len(rules) == maxRules {
			err = d.Fail("is one rule too many: the limit is " + strconv.Itoa(maxRules) + " in each direction; use another policy")
		}
		rules = append(rules, r)
		return err
	})
	return rules, err
}

func readRule(d *jsonscan.Decoder, far string, readPeer peerReader) (rule, error) {
	var r rule
	hasProtocols := false
	_, err := kube.Object(d, func(field []byte) (err error) {
		switch string(field) {
		case "name":
			r.name, err = d.String()
		case "action":
			r.action, err = readAction(d)
		case far:
			err = r.readPeers(d, far, readPeer)
		case "protocols":
			hasProtocols = true
			err = r.readProtocols(d)
		default:
			err = kube.ErrUnknown
		}
		return err
	})
	if err != nil {
		return r, err
	}
	switch {
	case r.action == 0:
		return r, kube.Wrong(d, "action", "is required")
	case len(r.peers) == 0:
		return r, kube.Wrong(d, far, "needs at least one peer")
	case hasProtocols && len(r.ports) == 0 && r.closed == "":
		return r, kube.Wrong(d, "protocols", "needs at least one entry, or is left out")
	case r.closed != "" && r.action == abi.Allow:
		r.closed += ", so the rule accepts nothing"
	case r.closed != "":
		r.closed += ", so the rule denies everything"
	}
	return r, nil
}

func (r *rule) readPeers(d *jsonscan.Decoder, far string, readPeer peerReader) error {
	return kube.List(d, func() error {
		p, known, err := readPeer(d)
		if !known {
			r.closed = far + "[" + strconv.Itoa(len(r.peers)) + "] is no peer of a known kind"
		}
		r.peers = append(r.peers, p)
		return err
	})
}

func (r *rule) readProtocols(d *jsonscan.Decoder) error {
	index := 0
	err := kube.List(d, func() error {
		ports, known, err := readProtocol(d)
		if !known {
			r.closed = "protocols[" + strconv.Itoa(index) + "] says nothing known of a protocol"
		}
		r.ports = append(r.ports, ports...)
		index++
		return err
	})
	r.ports = kube.SortPorts(r.ports)
	return err
}

func readAction(d *jsonscan.Decoder) (abi.Action, error) {
	word, err := d.String()
	if err != nil {
		return 0, err
	}
	switch word {
	case "Accept":
		return abi.Allow, nil
	case "Deny":
		return abi.Deny, nil
	case "Pass":
		return abi.Pass, nil
	}
	return 0, d.Fail("is none of Accept, Deny, Pass")
}
