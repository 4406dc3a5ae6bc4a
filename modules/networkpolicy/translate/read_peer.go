package translate

import (
	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/sdk/go/jsonscan"
	"github.com/sluice-net/sluice/sdk/go/kube"
)

// readPeers reads a list of NetworkPolicyPeer. "If this field is empty or
// missing, this rule matches all": that is about the list, never about a peer.
func readPeers(d *jsonscan.Decoder) ([]peer, error) {
	var peers []peer
	err := kube.List(d, func() error {
		p, err := readPeer(d)
		peers = append(peers, p)
		return err
	})
	return peers, err
}

func readPeer(d *jsonscan.Decoder) (peer, error) {
	var p peer
	_, err := kube.Object(d, func(field []byte) (err error) {
		switch string(field) {
		case "podSelector":
			var selector abi.Selector
			selector, err = kube.Selector(d)
			p.pods = &selector
		case "namespaceSelector":
			var selector abi.Selector
			selector, err = kube.Selector(d)
			p.namespaces = &selector
		case "ipBlock":
			p.block, err = readBlock(d)
		default:
			err = kube.ErrUnknown
		}
		return err
	})
	switch selects := p.pods != nil || p.namespaces != nil; {
	case err != nil:
	case p.block != nil && selects:
		err = kube.Wrong(d, "ipBlock", "may not be set together with podSelector or namespaceSelector")
	case p.block == nil && !selects:
		err = d.Fail("sets none of podSelector, namespaceSelector and ipBlock, so it selects nobody")
	}
	return p, err
}

// readBlock reads an IPBlock. Exceptions are checked when all is read, as they
// may stand before the CIDR that they are to lie in.
func readBlock(d *jsonscan.Decoder) (*kube.Block, error) {
	var block kube.Block
	_, err := kube.Object(d, func(field []byte) (err error) {
		switch string(field) {
		case "cidr":
			block.CIDR, err = kube.CIDR(d)
		case "except":
			block.Except = nil
			err = kube.List(d, func() error {
				except, err := kube.CIDR(d)
				block.Except = append(block.Except, except)
				return err
			})
		default:
			err = kube.ErrUnknown
		}
		return err
	})
	if err == nil {
		err = block.Check(d)
	}
	return &block, err
}
