package api

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sluice-net/sluice/cni/wire"
	"github.com/sluice-net/sluice/tests/nettest"
)

// localPod is a Pod of the node: an interface like one that the primary CNI has made,
// without a program behind it.
type localPod struct{ namespace, name, address string }

// attach wires Pods and asks the agent for their ADD. All their interfaces are in one
// network namespace: one for each costs much and is not what is measured.
func (n *node) attach(pods []localPod) {
	n.t.Helper()
	inside := nettest.Namespace(n.t, "sluice-pods")
	var links, ends strings.Builder
	for i, p := range pods {
		fmt.Fprintf(&links, "link add lp%d type veth peer name eth%d netns %s\nlink set lp%d up\nroute add %s dev lp%d\n", i, i, inside, i, p.address, i)
		fmt.Fprintf(&ends, "address add %s/32 dev eth%d\nlink set eth%d up\n", p.address, i, i)
	}
	n.configure(n.ns, links.String())
	n.configure(inside, ends.String())
	if err := side(n.t.Context(), 8, len(pods), func(_ context.Context, i int) error {
		return n.add(pods[i], nettest.Path(inside), fmt.Sprintf("eth%d", i))
	}); err != nil {
		n.t.Fatal(err)
	}
}

// configure runs commands of ip in a network namespace.
func (n *node) configure(namespace, commands string) {
	n.t.Helper()
	batch := exec.Command("ip", "-n", namespace, "-batch", "-")
	batch.Stdin = strings.NewReader(commands)
	if out, err := batch.CombinedOutput(); err != nil {
		n.t.Fatalf("configuring %s: %v: %s", namespace, err, out)
	}
}

// add is CNI ADD, as sluice-cni sends it.
func (n *node) add(p localPod, netns, ifName string) error {
	config, err := json.Marshal(map[string]any{
		"cniVersion": "1.0.0", "name": "simulated", "type": "sluice-cni",
		"prevResult": map[string]any{
			"cniVersion": "1.0.0", "interfaces": []any{map[string]string{"name": ifName, "sandbox": netns}},
			"ips": []any{map[string]any{"address": p.address + "/32", "interface": 0}},
		},
	})
	if err != nil {
		return err
	}
	response, err := wire.Call(n.t.Context(), filepath.Join(n.dir, "cni.sock"), &wire.Request{
		Command: wire.Add, ContainerID: "c-" + p.namespace + "-" + p.name, Netns: netns, IfName: ifName, Config: config,
		Args: map[string]string{"K8S_POD_NAMESPACE": p.namespace, "K8S_POD_NAME": p.name},
	})
	if err == nil && response.Error != nil {
		err = response.Error
	}
	if err != nil {
		return fmt.Errorf("ADD of %s/%s: %w", p.namespace, p.name, err)
	}
	return nil
}
