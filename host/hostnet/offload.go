package hostnet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netns"
)

// The names of the transmit checksum features begin with checksumPrefix (ethtool(8), "-k"). The kernel turns TCP and UDP
// segmentation off with them, but not that of SCTP.
const (
	checksumPrefix   = "tx-checksum-"
	sctpSegmentation = "tx-sctp-segmentation"
)

// TxOffload lists the transmit checksum features, and what depends on them, that are on at the Pod's end.
//
// The userspace datapath passes frames on as it read them, and a Pod that leaves checksums to a device that does not exist
// sends TCP and UDP that nobody accepts. So they have to be off.
func TxOffload(netnsPath, ifName string) ([]string, error) {
	var on []string
	err := withEthtool(netnsPath, ifName, func(e *ethtool.Ethtool) error {
		features, err := e.FeaturesWithState(ifName)
		for name, state := range features {
			if (strings.HasPrefix(name, checksumPrefix) || name == sctpSegmentation) && state.Active && state.Available {
				on = append(on, name)
			}
		}
		slices.Sort(on)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the offloads of %s in %s: %w", ifName, netnsPath, err)
	}
	return on, nil
}

// SetTxOffload turns the features named on or off at the Pod's end.
func SetTxOffload(netnsPath, ifName string, features []string, on bool) error {
	if len(features) == 0 {
		return nil
	}
	config := make(map[string]bool, len(features))
	for _, name := range features {
		config[name] = on
	}
	err := withEthtool(netnsPath, ifName, func(e *ethtool.Ethtool) error { return e.Change(ifName, config) })
	if err != nil {
		return fmt.Errorf("set the offloads %v of %s in %s to %v: %w", features, ifName, netnsPath, on, err)
	}
	return nil
}

// withEthtool calls fn with a socket made in the Pod's namespace.
func withEthtool(netnsPath, ifName string, fn func(*ethtool.Ethtool) error) error {
	return within(netnsPath, func() error {
		e, err := ethtool.NewEthtool()
		if err != nil {
			return fmt.Errorf("open an ethtool socket: %w", err)
		}
		defer e.Close()
		return fn(e)
	})
}

// within calls fn in the Pod's namespace.
func within(netnsPath string, fn func() error) error {
	ns, err := netns.GetFromPath(netnsPath)
	if err != nil {
		return fmt.Errorf("open network namespace: %w", err)
	}
	defer ns.Close()
	return in(ns, fn)
}
