package attach

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Keys of the external_ids of an attached Pod's Interface in the Open vSwitch database. A port is Sluice's if it has
// keyContainer.
const (
	keyNamespace = "sluice-pod-namespace"
	keyName      = "sluice-pod-name"
	keyUID       = "sluice-pod-uid"
	keyNetwork   = "sluice-network"
	keyContainer = "sluice-container-id"
	keyNetns     = "sluice-netns"
	keyIfName    = "sluice-ifname"
	keyIndex     = "sluice-veth-index"
	keyMAC       = "sluice-mac"
	keyAddresses = "sluice-addresses" // separated by commas
	keyMTU       = "sluice-mtu"
	keyLoopback  = "sluice-loopback" // there if Attachment.Loopback
	keyUndo      = "sluice-undo"     // JSON
)

// record writes an attachment as external_ids.
func (a *Attachment) record() (map[string]string, error) {
	undo, err := json.Marshal(a.undo)
	if err != nil {
		return nil, fmt.Errorf("write down how to undo the attachment of Pod %s: %w", a.key(), err)
	}
	addresses := make([]string, len(a.Addresses))
	for i, addr := range a.Addresses {
		addresses[i] = addr.String()
	}
	ids := map[string]string{
		keyNamespace: a.Namespace, keyName: a.Name, keyUID: a.UID, keyNetwork: a.Network, keyContainer: a.ContainerID,
		keyNetns: a.Netns, keyIfName: a.IfName, keyIndex: strconv.Itoa(a.VethIndex), keyMAC: a.MAC.String(),
		keyAddresses: strings.Join(addresses, ","), keyMTU: strconv.Itoa(a.MTU), keyUndo: string(undo),
	}
	if a.Loopback {
		ids[keyLoopback] = "true"
	}
	return ids, nil
}

// isRecord says whether external_ids are those of an attached Pod.
func isRecord(ids map[string]string) bool { return ids[keyContainer] != "" }

// readRecord reads what record wrote. The error names the key.
func readRecord(veth string, ids map[string]string) (*Attachment, error) {
	a := &Attachment{
		Namespace: ids[keyNamespace], Name: ids[keyName], UID: ids[keyUID], Network: ids[keyNetwork], ContainerID: ids[keyContainer],
		Netns: ids[keyNetns], IfName: ids[keyIfName], Veth: veth, Loopback: ids[keyLoopback] != "",
	}
	bad := func(key string, err error) error {
		return fmt.Errorf("external_ids:%s of port %s is %q: %w", key, veth, ids[key], err)
	}
	var err error
	if a.VethIndex, err = strconv.Atoi(ids[keyIndex]); err != nil {
		return nil, bad(keyIndex, err)
	}
	if a.MTU, err = strconv.Atoi(ids[keyMTU]); err != nil {
		return nil, bad(keyMTU, err)
	}
	if a.MAC, err = net.ParseMAC(ids[keyMAC]); err != nil {
		return nil, bad(keyMAC, err)
	}
	for text := range strings.SplitSeq(ids[keyAddresses], ",") {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, bad(keyAddresses, err)
		}
		a.Addresses = append(a.Addresses, addr)
	}
	if err := json.Unmarshal([]byte(ids[keyUndo]), &a.undo); err != nil {
		return nil, bad(keyUndo, err)
	}
	return a, nil
}
