package primary

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/host/hostnet"
)

// Finding is which profile a node has, and why.
type Finding struct {
	Profile Profile
	Because string // for people
}

// Detect chooses by the node's devices and rules, as these show how Pods are wired in fact, and then by the types of the
// plugins in the CNI configuration, which are all that there is before the first Pod.
func Detect(signs hostnet.Signs, plugins []string) Finding {
	all := Profiles()
	for _, p := range all[:len(all)-1] {
		if device := p.shownBy(signs); device != "" {
			return Finding{p, p.why(device)}
		}
	}
	for _, p := range all {
		for _, kind := range p.Plugins {
			if slices.Contains(plugins, kind) {
				return Finding{p, fmt.Sprintf("the CNI configuration names the plugin %s", kind)}
			}
		}
	}
	return Finding{all[len(all)-1], "nothing on the node speaks for another"}
}

// shownBy is a device that only this profile's plugin makes so; empty if there is none.
func (p Profile) shownBy(s hostnet.Signs) string {
	if p.RuleToPod != 0 && s.HostRules[p.RuleToPod] == 0 {
		return ""
	}
	for _, d := range s.Devices {
		if strings.HasPrefix(d.Name, p.Device) && (!p.ProxyARP || d.ProxyARP) {
			return d.Name
		}
	}
	return ""
}

func (p Profile) why(device string) string {
	why := fmt.Sprintf("the node has the veth %s", device)
	if p.ProxyARP {
		why += ", which answers ARP for every address"
	}
	if p.RuleToPod != 0 {
		why += fmt.Sprintf(", and rules of priority %d for single addresses", p.RuleToPod)
	}
	return why
}

// Deviations says, for people, in what a Pod is not wired as the profile's plugin does it. Sluice goes by what is there, so
// they are no faults; but whoever set the profile by hand, or changed the plugin, may want to know.
func (p Profile) Deviations(v *hostnet.Veth) (list []string) {
	if !strings.HasPrefix(v.Name, p.Device) {
		list = append(list, fmt.Sprintf("its device on the node is %s and not %s…", v.Name, p.Device))
	}
	for _, want := range p.Routers {
		if !want.IsValid() {
			continue
		}
		for _, have := range v.PodGateways {
			if have.Is4() == want.Is4() && have != want {
				list = append(list, fmt.Sprintf("its next hop is %s and not %s", have, want))
			}
		}
	}
	return list
}
