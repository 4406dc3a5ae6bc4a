package rig

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tests/cluster/build"
	"github.com/sluice-net/sluice/tests/cluster/controlplane"
	"github.com/sluice-net/sluice/tests/cluster/images"
	"github.com/sluice-net/sluice/tests/cluster/network"
	"github.com/sluice-net/sluice/tests/cluster/node"
)

// Options of a cluster.
type Options struct {
	Nodes    int
	Progress io.Writer
	Images   []string     // archives that nodes import, beside pause, busybox and agnhost
	Taints   []node.Taint // that nodes register with
}

// Cluster is a cluster that runs.
type Cluster struct {
	Control *controlplane.Server
	Nodes   []*node.Node

	opts        Options
	run         *run
	network     *network.Network
	programs    map[string]string
	mountpoints []string
}

//go:embed objects.yaml
var objects string

// Programs are all that a cluster needs.
func Programs() []string {
	return append(append(controlplane.ClusterPrograms(), build.Kubectl), node.Programs()...)
}

// Up returns when all nodes are ready.
func Up(ctx context.Context, opts Options) (*Cluster, error) {
	c := &Cluster{opts: opts}
	err := c.up(ctx)
	if err != nil {
		if c.run != nil {
			c.say("the logs of what failed are lost with the cluster; the end of each:\n%s", c.tails())
		}
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) say(format string, args ...any) { fmt.Fprintf(c.opts.Progress, format+"\n", args...) }

func (c *Cluster) up(ctx context.Context) (err error) {
	if c.programs, err = build.Programs(ctx, c.opts.Progress, Programs()...); err != nil {
		return err
	}
	archives, err := images.Archives(ctx, c.opts.Progress)
	if err != nil {
		return err
	}
	begin := time.Now()
	if c.run, err = newRun(); err != nil {
		return err
	}
	if c.network, err = network.New(c.run.dir, c.opts.Nodes); err != nil {
		return err
	}
	control := filepath.Join(c.run.dir, "control-plane")
	if err := os.Mkdir(control, 0o755); err != nil {
		return err
	}
	if c.Control, err = controlplane.Start(ctx, controlplane.Options{
		Dir: control, Programs: c.programs, Namespace: c.network.Namespace(), Address: network.ControlPlane, Controllers: true,
	}); err != nil {
		return err
	}
	c.say("control plane ready after %.1f s", time.Since(begin).Seconds())
	if _, err := c.Kubectl(ctx, objects, "apply", "-f", "-"); err != nil {
		return err
	}
	if err := c.startNodes(append(archives, c.opts.Images...)); err != nil {
		return err
	}
	if err := c.ready(ctx); err != nil {
		return err
	}
	c.say("%d nodes ready after %.1f s", len(c.Nodes), time.Since(begin).Seconds())
	return nil
}

func (c *Cluster) startNodes(archives []string) error {
	var err error
	if c.mountpoints, err = mountpoints(node.Private()); err != nil {
		return err
	}
	proxy, err := c.Control.Kubeconfig("system:kube-proxy")
	if err != nil {
		return err
	}
	for _, place := range c.network.Nodes {
		kubelet, err := c.Control.Kubeconfig("system:node:"+place.Name, "system:nodes")
		if err != nil {
			return err
		}
		dir := filepath.Join(c.run.dir, place.Name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		n, err := node.Start(node.Options{
			Name: place.Name, Address: place.Address, PodCIDR: place.PodCIDR, Namespace: place.Namespace, Dir: dir, CgroupID: c.run.name,
			Programs: c.programs, Images: archives, KubeletConfig: kubelet, ProxyConfig: proxy,
			Authority: c.Control.Authority(), DNS: controlplane.DNSAddress, Taints: c.opts.Taints,
		})
		if err != nil {
			return err
		}
		c.Nodes = append(c.Nodes, n)
	}
	return nil
}

// ready waits for the nodes and for what the controllers make.
func (c *Cluster) ready(ctx context.Context) error {
	for _, place := range c.network.Nodes {
		patch := fmt.Sprintf(`{"spec":{"podCIDR":%q,"podCIDRs":[%q]}}`, place.PodCIDR, place.PodCIDR)
		if err := c.eventually(ctx, "patch", "node", place.Name, "-p", patch); err != nil {
			return err
		}
	}
	if err := c.eventually(ctx, "wait", "--for=condition=Ready", "node", "--all", "--timeout=120s"); err != nil {
		return err
	}
	// Admission refuses Pods without it.
	return c.eventually(ctx, "get", "serviceaccount", "default")
}

// eventually repeats a kubectl command until it succeeds.
func (c *Cluster) eventually(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		_, err := c.Kubectl(ctx, "", args...)
		if err == nil {
			return nil
		}
		for _, n := range c.Nodes {
			if ended := n.Ended(); ended != nil {
				return ended
			}
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Kubectl runs kubectl as an administrator with an input, and returns what it writes.
func (c *Cluster) Kubectl(ctx context.Context, input string, args ...string) (string, error) {
	command := c.KubectlCommand(ctx, args...)
	command.Stdin = strings.NewReader(input)
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(problems.String()))
	}
	return out.String(), nil
}

// KubectlCommand is a command of kubectl as an administrator.
func (c *Cluster) KubectlCommand(ctx context.Context, args ...string) *exec.Cmd {
	return c.Command(ctx, c.programs[build.Kubectl], args...)
}

// Command is a command that runs in the control plane's network, as an administrator
// of the cluster.
func (c *Cluster) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + c.network.Namespace(), "--", name}, args...)...)
	command.Env = append(os.Environ(), "KUBECONFIG="+c.Control.Admin(), "PATH="+c.path())
	return command
}

// path finds kubectl as well.
func (c *Cluster) path() string {
	return filepath.Dir(c.programs[build.Kubectl]) + string(filepath.ListSeparator) + os.Getenv("PATH")
}

// How says to a person how to reach the cluster and its nodes.
func (c *Cluster) How() string {
	var text strings.Builder
	fmt.Fprintf(&text, "kubectl:  nsenter --net=%s -- %s --kubeconfig %s\n", c.network.Namespace(), c.programs[build.Kubectl], c.Control.Admin())
	for _, n := range c.Nodes {
		fmt.Fprintf(&text, "node %s:  %s\n", n.Name(), strings.Join(n.Command(context.Background(), "bash").Args, " "))
	}
	fmt.Fprintf(&text, "logs:     %s", c.run.dir)
	return text.String()
}

// Close takes everything down.
func (c *Cluster) Close() (err error) {
	for _, n := range c.Nodes {
		err = errors.Join(err, n.Stop())
	}
	if c.Control != nil {
		err = errors.Join(err, c.Control.Close())
	}
	if c.network != nil {
		err = errors.Join(err, c.network.Close())
	}
	if c.run != nil {
		err = errors.Join(err, c.run.remove())
	}
	return errors.Join(err, removeEmpty(c.mountpoints))
}
