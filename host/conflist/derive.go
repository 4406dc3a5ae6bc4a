package conflist

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/containernetworking/cni/pkg/version"
)

// Plugin is the type of Sluice's plugin, which is the name of its program (CNI specification 1.1.0, section 1).
const Plugin = "sluice-cni"

// markKey is a key beside those of the specification, which runtimes ignore: it says that a list is ours, and of what.
const markKey = "sluice.derivedFrom"

// oldest is the oldest cniVersion that sluice-cni speaks: the first in which plugins hand results on. AKS uses it.
const oldest = "0.3.0"

// Refused says why Sluice cannot be chained behind a primary plugin. It lasts until somebody changes the configuration.
type Refused struct {
	File   string
	Reason string
	Remedy string
}

func (e *Refused) Error() string { return fmt.Sprintf("%s: %s; %s", e.File, e.Reason, e.Remedy) }

// errUnreadable says that a file is no CNI configuration, or not yet.
var errUnreadable = errors.New("not a CNI configuration")

// unfit are plugins whose Pods have no routed veth that could be put on a bridge of ours, and why.
var unfit = map[string]string{
	"bridge":       "it keeps the node's end of the veth in a bridge of its own",
	"flannel":      "it delegates to the plugin bridge, which keeps the node's end of the veth",
	"ovs":          "it puts the Pod on another Open vSwitch bridge",
	"ipvlan":       "its interfaces have no end on the node",
	"macvlan":      "its interfaces have no end on the node",
	"vlan":         "its interfaces have no end on the node",
	"host-device":  "it moves a device of the node into the Pod",
	"sriov":        "its interfaces have no end on the node",
	"dummy":        "its interfaces lead nowhere",
	"ib-sriov-cni": "its interfaces have no end on the node",
}

// fitMode are plugins that give each Pod a routed veth in one mode only (azure-container-networking, network/network.go: by
// itself azure-vnet tunnels through a bridge).
var fitMode = map[string]string{"azure-vnet": "transparent"}

// list is a CNI configuration as it is, with all keys that this package does not know.
type list = map[string]json.RawMessage

// read understands a list of plugins, or a single plugin's configuration as a list of one.
func read(file string, text []byte) (l list, plugins []list, err error) {
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, nil, fmt.Errorf("%s: %w: %w", file, errUnreadable, err)
	}
	if _, isList := l["plugins"]; !isList {
		single, err := json.Marshal(l)
		if err != nil {
			return nil, nil, err
		}
		l = list{"cniVersion": l["cniVersion"], "name": l["name"], "plugins": slices.Concat([]byte{'['}, single, []byte{']'})}
	}
	if err := json.Unmarshal(l["plugins"], &plugins); err != nil || len(plugins) == 0 {
		return nil, nil, fmt.Errorf("%s: %w: no plugins", file, errUnreadable)
	}
	for _, p := range plugins {
		if stringOf(p["type"]) == "" {
			return nil, nil, fmt.Errorf("%s: %w: a plugin without a type", file, errUnreadable)
		}
	}
	return l, plugins, nil
}

// stringOf reads a string; it is empty if there is none.
func stringOf(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s) // what is no string counts as empty
	return s
}

// derive is the primary's list with sluice-cni at its end, where all that others do to the interface is done.
func derive(file string, text []byte, socket string) ([]byte, error) {
	l, plugins, err := read(file, text)
	if err != nil {
		return nil, err
	}
	for _, p := range plugins {
		kind := stringOf(p["type"])
		if kind == Plugin {
			return nil, &Refused{file, "it has " + Plugin + " in it already", "take it out, or set cni.install to false"}
		}
		if why, is := unfit[kind]; is {
			return nil, &Refused{file, fmt.Sprintf("Sluice cannot be chained behind the plugin %s: %s", kind, why), "use a primary plugin that makes a routed veth for each Pod, such as ptp"}
		}
		if mode, is := fitMode[kind]; is && stringOf(p["mode"]) != mode {
			return nil, &Refused{file, fmt.Sprintf("the plugin %s is in the mode %q, in which Pods have no routed veth", kind, stringOf(p["mode"])), fmt.Sprintf("set its mode to %q", mode)}
		}
	}
	if stringOf(l["name"]) == "" {
		return nil, fmt.Errorf("%s: %w: it has no name", file, errUnreadable)
	}
	if v := stringOf(l["cniVersion"]); tooOld(v) {
		return nil, &Refused{file, fmt.Sprintf("its cniVersion is %q", v), "raise it to " + oldest + " or later"}
	}
	ours, err := json.Marshal(map[string]string{"type": Plugin, "socket": socket})
	if err != nil {
		return nil, err
	}
	var all []json.RawMessage
	if err := json.Unmarshal(l["plugins"], &all); err != nil {
		return nil, err
	}
	if l["plugins"], err = json.Marshal(append(all, ours)); err != nil {
		return nil, err
	}
	if l[markKey], err = json.Marshal(filepath.Base(file)); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(l); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func tooOld(v string) bool {
	if v == "" {
		return true // which the specification reads as 0.1.0
	}
	enough, err := version.GreaterThanOrEqualTo(v, oldest)
	return err != nil || !enough
}

// derivedFrom says from which file of the same directory a list of ours was made; ours is false for anybody else's.
func derivedFrom(text []byte) (file string, ours bool) {
	var l list
	if json.Unmarshal(text, &l) != nil {
		return "", false
	}
	file = stringOf(l[markKey])
	return file, file != ""
}
