// Package installed brings up a cluster with Sluice on it, as an operator would
// install it: images, the kustomize overlay, and the taint with which nodes wait for the
// agent.
package installed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/sluice-net/sluice/deploy/image/contents"
	"github.com/sluice-net/sluice/tests/cluster/build"
	"github.com/sluice-net/sluice/tests/cluster/node"
	"github.com/sluice-net/sluice/tests/cluster/rig"
)

// What Sluice's objects are called.
const (
	Namespace   = "sluice-system"
	Agent       = "daemonset/sluice-agent"
	OpenVSwitch = "daemonset/sluice-openvswitch"

	// Image is what the base runs; Next has the same content, to upgrade to.
	Image = "ghcr.io/sluice-net/sluice:dev"
	Next  = "ghcr.io/sluice-net/sluice:next"

	openvswitchImage = "ghcr.io/sluice-net/openvswitch:dev"

	// NotReady keeps Pods away from a node whose agent is not ready.
	NotReady = "node.sluice.dev/agent-not-ready"
)

// Up returns a cluster whose nodes run Pods under Sluice. What `make build` made must be
// there.
func Up(ctx context.Context, nodes int, progress io.Writer) (*rig.Cluster, error) {
	c, err := Bare(ctx, nodes, progress)
	if err != nil {
		return nil, err
	}
	if err := Install(ctx, c); err != nil {
		return nil, errors.Join(err, Explain(ctx, c, progress), c.Close())
	}
	return c, nil
}

// Bare returns a cluster that has Sluice's images, and nodes that wait for it.
func Bare(ctx context.Context, nodes int, progress io.Writer) (*rig.Cluster, error) {
	dir, err := os.MkdirTemp("", "sluice-images-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	archives, err := images(dir)
	if err != nil {
		return nil, err
	}
	return rig.Up(ctx, rig.Options{Nodes: nodes, Progress: progress, Images: archives, Taints: []node.Taint{{Key: NotReady}}})
}

// Install applies Sluice to a cluster and waits until it is ready on every node.
func Install(ctx context.Context, c *rig.Cluster) error {
	overlay, err := Overlay("generic")
	if err != nil {
		return err
	}
	if _, err := c.Kubectl(ctx, "", "apply", "-k", overlay); err != nil {
		return err
	}
	return Ready(ctx, c)
}

// Ready waits until both DaemonSets are as they were last written, on every node.
func Ready(ctx context.Context, c *rig.Cluster) error {
	for _, set := range []string{OpenVSwitch, Agent} {
		if _, err := c.Kubectl(ctx, "", "-n", Namespace, "rollout", "status", set, "--timeout=120s"); err != nil && set == Agent {
			return err // the status of a set that is updated OnDelete can not be waited for
		}
	}
	return nil
}

// Explain writes why Sluice's Pods are not ready.
func Explain(ctx context.Context, c *rig.Cluster, to io.Writer) error {
	for _, args := range [][]string{
		{"get", "pods", "-A", "-o", "wide"},
		{"-n", Namespace, "get", "events", "--sort-by=.lastTimestamp"},
		{"-n", Namespace, "logs", Agent, "--all-pods", "--prefix", "--tail=30"},
	} {
		out, err := c.Kubectl(ctx, "", args...)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(to, out); err != nil {
			return err
		}
	}
	return nil
}

// Overlay is the directory of one of deploy/kustomize/overlays.
func Overlay(name string) (string, error) {
	repository, err := build.Repository()
	return filepath.Join(repository, "deploy", "kustomize", "overlays", name), err
}

func images(dir string) ([]string, error) {
	repository, err := build.Repository()
	if err != nil {
		return nil, err
	}
	sluice, err := contents.Sluice(Image, filepath.Join(repository, "bin"))
	if err != nil {
		return nil, err
	}
	sluice.Names = append(sluice.Names, Next)
	openvswitch, err := contents.OpenVSwitch(openvswitchImage, filepath.Join(repository, "deploy", "openvswitch"))
	if err != nil {
		return nil, err
	}
	files := []string{filepath.Join(dir, "sluice.tar"), filepath.Join(dir, "openvswitch.tar")}
	if err := errors.Join(sluice.Write(files[0]), openvswitch.Write(files[1])); err != nil {
		return nil, fmt.Errorf("%w (make build makes what the image is made of)", err)
	}
	return files, nil
}
