package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/containernetworking/cni/libcni"
)

// pod is one Pod that runs in the lab. The namespace of a hostNetwork Pod is
// its node's.
type pod struct {
	plan     PodPlan
	node     *node
	ns       *namespace
	attached bool
}

// podDevice is the name of a Pod's device, as container runtimes call it.
const podDevice = "eth0"

// containerID is what a runtime would call the Pod's sandbox container.
func (p *pod) containerID(lab string) string {
	return fmt.Sprintf("lab-%s-%s-%s", lab, p.plan.Namespace, p.plan.Name)
}

// pluginTimeout bounds one run of the CNI plugins, in seconds.
const pluginTimeout = 20

// uncancelled is a context for running CNI plugins. They are left to finish:
// to kill one leaves the plugins that it has started at work, on files and
// devices that are about to be removed.
func uncancelled(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 2*pluginTimeout*time.Second)
}

// attach runs CNI ADD for the Pod on its node: the primary plugin, then Sluice.
func (l *Lab) attach(ctx context.Context, p *pod) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := uncancelled(ctx)
	defer cancel()
	err := p.node.ns.do(func() error {
		list, err := l.networkList(p)
		if err != nil {
			return err
		}
		// The plugins are forked here, on a thread that is in the node's
		// namespace, and so run in it.
		_, err = l.cni().AddNetworkList(ctx, list, l.runtimeConf(p))
		return err
	})
	if err != nil {
		err = fmt.Errorf("pod %s: CNI ADD on node %s: %w", p.plan.Key(), p.node.plan.Name, err)
		if p.node.agent != nil {
			err = fmt.Errorf("%w; last words of its agent:\n%s", err, p.node.agent.process.tail())
		}
		return err
	}
	p.attached = true
	return nil
}

// detach runs CNI DEL.
func (l *Lab) detach(ctx context.Context, p *pod) error {
	ctx, cancel := uncancelled(ctx)
	defer cancel()
	err := p.node.ns.do(func() error {
		list, err := l.networkList(p)
		if err != nil {
			return err
		}
		return l.cni().DelNetworkList(ctx, list, l.runtimeConf(p))
	})
	if err != nil {
		return fmt.Errorf("pod %s: CNI DEL on node %s: %w", p.plan.Key(), p.node.plan.Name, err)
	}
	p.attached = false
	return nil
}

func (l *Lab) cni() *libcni.CNIConfig {
	paths := []string{l.options.Binaries.PluginDir, filepath.Dir(l.options.Binaries.CNI)}
	return libcni.NewCNIConfigWithCacheDir(paths, filepath.Join(l.dir, "cni-cache"), nil)
}

func (l *Lab) runtimeConf(p *pod) *libcni.RuntimeConf {
	var ips []string
	for _, address := range p.plan.Addresses {
		ips = append(ips, netip.PrefixFrom(address, subnetAround(address).Bits()).String())
	}
	return &libcni.RuntimeConf{
		ContainerID: p.containerID(l.id),
		NetNS:       p.ns.path,
		IfName:      podDevice,
		Args: [][2]string{
			{"IgnoreUnknown", "1"},
			{"K8S_POD_NAMESPACE", p.plan.Namespace},
			{"K8S_POD_NAME", p.plan.Name},
			{"K8S_POD_INFRA_CONTAINER_ID", p.containerID(l.id)},
		},
		CapabilityArgs: map[string]any{"ips": ips},
	}
}

// networkList is the node's CNI configuration. host-local is asked for exactly
// the addresses of the plan, so the ranges are those around them.
func (l *Lab) networkList(p *pod) (*libcni.NetworkConfigList, error) {
	var ranges [][]map[string]string
	var routes []map[string]string
	for _, address := range p.plan.Addresses {
		subnet, gateway, all := subnetAround(address), l.plan.gatewayFor(address), "0.0.0.0/0"
		if address.Is6() {
			all = "::/0"
			if l.options.GatewayV6.IsValid() {
				gateway = l.options.GatewayV6
			}
		}
		ranges = append(ranges, []map[string]string{{"subnet": subnet.String(), "gateway": gateway.String()}})
		routes = append(routes, map[string]string{"dst": all})
	}
	plugin := map[string]any{
		"type":         "ptp",
		"ipMasq":       false,
		"mtu":          l.mtu(p.plan),
		"capabilities": map[string]bool{"ips": true},
		"ipam": map[string]any{
			"type":    "host-local",
			"dataDir": filepath.Join(p.node.dir, "ipam"),
			"ranges":  ranges,
			"routes":  routes,
		},
	}
	if l.options.routed() {
		plugin["type"], plugin["layout"], plugin["table"] = labPlugin, l.options.Primary, l.tableOf(p.plan)
	}
	plugins := []map[string]any{plugin}
	if p.node.agent != nil {
		plugins = append(plugins, map[string]any{
			"type":           filepath.Base(l.options.Binaries.CNI),
			"socket":         p.node.agent.CNISocket(),
			"timeoutSeconds": pluginTimeout,
		})
	}
	content, err := json.Marshal(map[string]any{"cniVersion": l.options.primaryVersion(), "name": "lab", "plugins": plugins})
	if err != nil {
		return nil, err
	}
	return libcni.NetworkConfFromBytes(content)
}

// AttachPod runs CNI ADD again for a Pod that DetachPod took away.
func (l *Lab) AttachPod(ctx context.Context, key string) error {
	p := l.pod(key)
	switch {
	case p == nil || p.plan.HostNetwork:
		return fmt.Errorf("pod %s: the lab has no such Pod with a network of its own", key)
	case p.attached:
		return fmt.Errorf("pod %s is attached", key)
	}
	if err := l.attach(ctx, p); err != nil {
		return err
	}
	return l.listenPod(p)
}

// CheckPod runs CNI CHECK for a Pod, with the result of its ADD. The CNI
// specification has it since version 0.4.0.
func (l *Lab) CheckPod(ctx context.Context, key string) error {
	p := l.pod(key)
	if p == nil || p.plan.HostNetwork || !p.attached {
		return fmt.Errorf("pod %s: the lab has no such Pod that is attached", key)
	}
	ctx, cancel := uncancelled(ctx)
	defer cancel()
	return p.node.ns.do(func() error {
		list, err := l.networkList(p)
		if err != nil {
			return err
		}
		return l.cni().CheckNetworkList(ctx, list, l.runtimeConf(p))
	})
}

// DetachPod runs CNI DEL for a Pod; its namespace stays.
func (l *Lab) DetachPod(ctx context.Context, key string) error {
	p := l.pod(key)
	if p == nil || p.plan.HostNetwork || !p.attached {
		return fmt.Errorf("pod %s: the lab has no such Pod that is attached", key)
	}
	l.stopListening(p.plan.Key())
	return l.detach(ctx, p)
}
