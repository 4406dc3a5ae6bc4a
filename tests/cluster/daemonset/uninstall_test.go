package daemonset

import (
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-net/sluice/tests/cluster/installed"
	"github.com/sluice-net/sluice/tests/cluster/node"
)

// looks are what Sluice changes on a node. Left out are the devices and routes of Pods
// that come and go meanwhile, and tables that kubelet and other plugins make.
var looks = []string{
	"ip -br link | awk '{print $1}' | grep -v '^veth' | sort",
	"ip rule; ip -6 rule",
	"ip route show table all | grep -v 'dev veth' | sort",
	"nft list tables | grep -i -e sluice -e ovs || true",
	"ls /etc/cni/net.d",
	"ls /run | grep openvswitch || true",
	"ls -A /var/lib/sluice 2>/dev/null || true", // kubelet has made the directory
}

// snapshot is what a node looks like.
func (w *world) snapshot(n *node.Node) string {
	w.Helper()
	var all strings.Builder
	for _, look := range looks {
		out, err := n.Command(w.Context(), "sh", "-c", look).CombinedOutput()
		if err != nil {
			w.Fatalf("%s: %v\n%s", look, err, out)
		}
		all.WriteString("# " + look + "\n" + string(out))
	}
	return all.String()
}

// status is what sluicectl says on a node.
func (w *world) status(node string) string {
	w.Helper()
	return w.kubectl("-n", installed.Namespace, "exec", w.agent(node), "--", "sluicectl", "status")
}

// agent is the name of a node's agent.
func (w *world) agent(node string) string {
	w.Helper()
	return w.kubectl("-n", installed.Namespace, "get", "pod", "-l", "app.kubernetes.io/component=agent",
		"--field-selector=spec.nodeName="+node, "-o", "jsonpath={.items[0].metadata.name}")
}

// uninstall does what deploy/README.md says, and compares the nodes with what they
// were.
func uninstall(w *world, before map[string]string, streams map[string]streaming) {
	for _, n := range w.c.Nodes {
		w.Log(w.kubectl("-n", installed.Namespace, "exec", w.agent(n.Name()), "--", "sluicectl", "uninstall"))
	}
	overlay, err := installed.Overlay("generic")
	if err != nil {
		w.Fatal(err)
	}
	w.kubectl("delete", "-k", overlay, "--wait=true", "--timeout=60s")
	w.becomes("stranger-near", true) // nobody denies it any more
	w.becomes("stranger-far", true)
	for name := range streams {
		w.flows(name, streams[name])
	}
	w.remove("apiVersion: v1\nkind: Pod\nmetadata: {name: near}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: stranger-near}\n")
	for _, n := range w.c.Nodes {
		w.eventually(n.Name()+" is as it was", func() (bool, string) {
			diff := cmp.Diff(before[n.Name()], w.snapshot(n))
			return diff == "", diff
		})
	}
}
