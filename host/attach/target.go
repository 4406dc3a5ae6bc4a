package attach

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/sluice-net/sluice/cni/wire"
)

// target is what a request is about.
type target struct {
	pod                  podKey
	uid                  string
	containerID          string
	netns, ifName        string
	network              string
	prevResult           json.RawMessage
	addresses            []netip.Addr // of the interface, by prevResult
	validAttachments     []types.GCAttachment
	hasValidAttachments  bool
	configurationVersion string
}

// The keys of CNI_ARGS that Kubernetes' container runtimes set.
const (
	argNamespace = "K8S_POD_NAMESPACE"
	argName      = "K8S_POD_NAME"
	argUID       = "K8S_POD_UID"
)

// defaultNamespace is that of a container without Kubernetes whose configuration names none.
const defaultNamespace = "default"

// parse reads a request. Its errors are *types.Error.
func parse(q *wire.Request) (*target, error) {
	var config struct {
		CNIVersion       string                `json:"cniVersion"`
		Name             string                `json:"name"`
		PodNamespace     string                `json:"podNamespace"`
		PodName          string                `json:"podName"`
		PrevResult       json.RawMessage       `json:"prevResult"`
		ValidAttachments *[]types.GCAttachment `json:"cni.dev/valid-attachments"`
	}
	if err := json.Unmarshal(q.Config, &config); err != nil {
		return nil, types.NewError(types.ErrDecodingFailure, "the CNI configuration cannot be read", err.Error())
	}
	t := &target{
		pod:         podKey{firstOf(q.Args[argNamespace], config.PodNamespace, defaultNamespace), firstOf(q.Args[argName], config.PodName, q.ContainerID)},
		uid:         q.Args[argUID],
		containerID: q.ContainerID, netns: q.Netns, ifName: q.IfName, network: config.Name,
		prevResult: config.PrevResult, configurationVersion: config.CNIVersion,
	}
	if config.ValidAttachments != nil {
		t.validAttachments, t.hasValidAttachments = *config.ValidAttachments, true
	}
	return t, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// parseAdd also reads prevResult.
func parseAdd(q *wire.Request) (*target, error) {
	t, err := parse(q)
	if err != nil {
		return nil, err
	}
	for _, required := range []struct{ name, value string }{
		{"CNI_CONTAINERID", t.containerID}, {"CNI_NETNS", t.netns}, {"CNI_IFNAME", t.ifName},
	} {
		if required.value == "" {
			return nil, types.NewError(types.ErrInvalidEnvironmentVariables, required.name+" is missing", "")
		}
	}
	if len(t.prevResult) == 0 || string(t.prevResult) == "null" {
		return nil, types.NewError(types.ErrInvalidNetworkConfig, "there is no prevResult",
			"put sluice-cni after the plugin that makes the Pod's interface, in the same list of plugins")
	}
	if t.addresses, err = interfaceAddresses(t); err != nil {
		return nil, types.NewError(types.ErrDecodingFailure, "prevResult cannot be read", err.Error())
	}
	return t, nil
}

// interfaceAddresses picks the addresses of the Pod's interface out of prevResult: those that name its index in the list of
// interfaces, where it is the one in a sandbox, and those that name none.
func interfaceAddresses(t *target) (addresses []netip.Addr, err error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(t.prevResult, &fields); err != nil {
		return nil, err
	}
	var have string
	if text := fields["cniVersion"]; text != nil {
		if err := json.Unmarshal(text, &have); err != nil {
			return nil, err
		}
	}
	text := t.prevResult
	if have == "" { // results before version 1.0.0 may leave it out; it is then that of the configuration
		have = t.configurationVersion
		if fields["cniVersion"], err = json.Marshal(have); err != nil {
			return nil, err
		}
		if text, err = json.Marshal(fields); err != nil {
			return nil, err
		}
	}
	parsed, err := version.NewResult(have, text)
	if err != nil {
		return nil, err
	}
	result, err := current.NewResultFromResult(parsed)
	if err != nil {
		return nil, err
	}
	for _, c := range result.IPs {
		if c.Interface != nil {
			i := *c.Interface
			if i < 0 || i >= len(result.Interfaces) {
				return nil, fmt.Errorf("address %v names interface %d, and there are %d", c.Address.IP, i, len(result.Interfaces))
			}
			if result.Interfaces[i].Sandbox == "" || result.Interfaces[i].Name != t.ifName {
				continue
			}
		}
		addr, ok := netip.AddrFromSlice(c.Address.IP)
		if !ok {
			return nil, fmt.Errorf("%v is no address", c.Address.IP)
		}
		addresses = append(addresses, addr.Unmap())
	}
	return addresses, nil
}
