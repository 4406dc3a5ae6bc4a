package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// makeDir makes the lab's directory and holds a lock in it, by which other labs
// know that it is in use.
func (l *Lab) makeDir() error {
	parent := l.options.Dir
	if parent == "" {
		parent = defaultParent()
	}
	sweep(parent, l.logger)
	random := make([]byte, 4)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	l.id = hex.EncodeToString(random)
	dir := filepath.Join(parent, dirPrefix+l.id)
	if longest := len(filepath.Join(dir, "n000", "ovs", "br-sluice.mgmt")); longest > 107 {
		return fmt.Errorf("the lab's directory %s is too long a path for the sockets in it (107 bytes, unix(7)): choose a shorter one", dir)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("the lab's directory: %w", err)
	}
	l.dir = dir
	var err error
	if l.lock, err = lockDir(dir); err != nil {
		return err
	}
	for _, below := range []string{"netns", "manifests", "modules"} {
		if err := os.Mkdir(filepath.Join(dir, below), 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) manifestDir() string { return filepath.Join(l.dir, "manifests") }

// makeNamespaces makes all namespaces and the wires between nodes.
func (l *Lab) makeNamespaces(ctx context.Context) error {
	var err error
	if l.fabric.router, err = newNamespace(l.netnsPath("router"), true); err != nil {
		return err
	}
	if l.fabric.external, err = newNamespace(l.netnsPath("external"), false); err != nil {
		return err
	}
	l.fabric.mtu = l.wireMTU()
	if err := l.fabric.build(); err != nil {
		return err
	}
	for i, planned := range l.plan.Nodes {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := &node{plan: planned, dir: filepath.Join(l.dir, fmt.Sprintf("n%d", i))}
		if err := os.Mkdir(n.dir, 0o755); err != nil {
			return err
		}
		if n.ns, err = newNamespace(l.netnsPath("node-"+planned.Name), true); err != nil {
			return err
		}
		l.nodes = append(l.nodes, n)
		if err := l.fabric.join(l.plan, i, n.ns); err != nil {
			return fmt.Errorf("node %s: %w", planned.Name, err)
		}
		if err := l.joinSecond(i, n.ns); err != nil {
			return fmt.Errorf("node %s: second interface: %w", planned.Name, err)
		}
	}
	if err := l.routesToSecond(); err != nil {
		return fmt.Errorf("routes to second interfaces: %w", err)
	}
	for _, planned := range l.plan.Pods {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := &pod{plan: planned, node: l.node(planned.Node)}
		p.ns = p.node.ns
		if !planned.HostNetwork {
			if p.ns, err = newNamespace(l.netnsPath("pod-"+planned.Namespace+"."+planned.Name), false); err != nil {
				return err
			}
		}
		l.pods = append(l.pods, p)
	}
	return nil
}

// netnsPath shortens names that would be too long for a file.
func (l *Lab) netnsPath(name string) string {
	if len(name) > 200 {
		name = fmt.Sprintf("%.190s-%d", name, len(l.pods))
	}
	return filepath.Join(l.dir, "netns", name)
}

// startNodes starts what runs on each node, all nodes at once.
func (l *Lab) startNodes(ctx context.Context) error {
	if l.options.PolicyFree || l.options.Later {
		return nil
	}
	return l.installNodes(ctx)
}

// Install starts Open vSwitch and the agents in a lab that was built without
// (Options.Later), and waits until the agents have read the manifests. They
// adopt the Pods that run by themselves, a moment later.
func (l *Lab) Install(ctx context.Context) error {
	l.options.Later = false
	if err := l.installNodes(ctx); err != nil {
		return err
	}
	return l.WaitRealised(ctx)
}

func (l *Lab) installNodes(ctx context.Context) error {
	return l.eachNode(func(n *node) error {
		var err error
		n.ovs, err = startOVS(ctx, filepath.Join(n.dir, "ovs"), n.ns, l.logger)
		if err != nil {
			return err
		}
		if n.agent, err = newAgent(l, n); err != nil {
			return err
		}
		if err := n.agent.Start(ctx); err != nil {
			return err
		}
		l.progress("node %s is up (datapath %s)", n.plan.Name, l.datapath)
		return nil
	})
}

func (l *Lab) attachPods(ctx context.Context) error {
	err := l.eachNode(func(n *node) error {
		if n.agent != nil {
			// Plugins are not interrupted, but whoever cancels should not have to
			// wait for an agent that does not answer them.
			defer context.AfterFunc(ctx, func() { _ = n.agent.Kill() })()
		}
		for _, p := range l.pods {
			if p.node != n || p.plan.HostNetwork {
				continue
			}
			if err := l.attach(ctx, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		l.progress("all Pods are attached")
	}
	return err
}
