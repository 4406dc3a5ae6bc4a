package translate

import (
	"net/netip"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/sdk/go/jsonscan"
	"github.com/sluice-net/sluice/sdk/go/kube"
)

// readIngressPeer reads a ClusterNetworkPolicyIngressPeer, which knows only Pods.
func readIngressPeer(d *jsonscan.Decoder) (p peer, known bool, err error) {
	return readPeer(d, func([]byte, *peer) error { return kube.ErrUnknown })
}

// readEgressPeer reads a ClusterNetworkPolicyEgressPeer. domainNames, of the
// experimental channel, are not known here: the module sees no DNS answers.
func readEgressPeer(d *jsonscan.Decoder) (p peer, known bool, err error) {
	return readPeer(d, func(field []byte, p *peer) (err error) {
		switch string(field) {
		case "nodes":
			var nodes abi.Selector
			nodes, err = kube.Selector(d)
			p.nodes = &nodes
		case "networks":
			p.networks, err = readNetworks(d)
		default:
			err = kube.ErrUnknown
		}
		return err
	})
}

// readPeer reads what peers of both directions know, and asks more for the rest.
// "Exactly one of the fields must be set for a given peer [...]. If an
// implementation sees no fields are set [...] it should fail closed."
func readPeer(d *jsonscan.Decoder, more func(field []byte, p *peer) error) (p peer, known bool, err error) {
	seen, err := kube.Object(d, func(field []byte) (err error) {
		switch string(field) {
		case "namespaces":
			p.pods, err = readNamespaces(d)
		case "pods":
			p.pods, err = readPods(d)
		default:
			err = more(field, &p)
		}
		return err
	})
	if err == nil && seen.Known > 1 {
		err = d.Fail("sets more than one kind of peer; they are ORed, so give each an entry of its own")
	}
	return p, seen.Known > 0, err
}

// readNamespaces reads the namespaces all of whose Pods are meant.
func readNamespaces(d *jsonscan.Decoder) (*pods, error) {
	namespaces, err := kube.Selector(d)
	return &pods{namespace: namespaces}, err
}

// readPods reads a NamespacedPod. The namespaceSelector may be left out: "if
// empty, it selects all Namespaces". The podSelector may not.
func readPods(d *jsonscan.Decoder) (*pods, error) {
	var p pods
	hasPods := false
	_, err := kube.Object(d, func(field []byte) (err error) {
		switch string(field) {
		case "namespaceSelector":
			p.namespace, err = kube.Selector(d)
		case "podSelector":
			p.pod, err = kube.Selector(d)
			hasPods = true
		default:
			err = kube.ErrUnknown
		}
		return err
	})
	if err == nil && !hasPods {
		err = kube.Wrong(d, "podSelector", "is required")
	}
	return &p, err
}

func readNetworks(d *jsonscan.Decoder) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	err := kube.List(d, func() error {
		network, err := kube.CIDR(d)
		networks = append(networks, network)
		return err
	})
	if err == nil && networks == nil {
		err = d.Fail("needs at least one CIDR")
	}
	return networks, err
}
