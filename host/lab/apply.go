package lab

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-net/sluice/host/cluster"
)

// The agents of all nodes read one directory. Start writes into it what the lab
// is built of; policies come and go later.

// writeObjects writes the manifests without their policies.
func (l *Lab) writeObjects() error {
	implied, err := l.objects.renderImplied(l.plan)
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(l.manifestDir(), impliedName), implied); err != nil {
		return err
	}
	return l.setPolicies(false)
}

// ApplyPolicies puts into force everything in the manifests that was given to
// Start; WaitRealised waits until it is.
func (l *Lab) ApplyPolicies() error { return l.setPolicies(true) }

// RemovePolicies takes it out of force again.
func (l *Lab) RemovePolicies() error { return l.setPolicies(false) }

func (l *Lab) setPolicies(inForce bool) error {
	l.inForce = inForce
	for i, file := range l.objects.files {
		content, err := l.objects.render(file, l.plan, inForce)
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(l.manifestDir(), renderedName(i, file.path)), content); err != nil {
			return err
		}
	}
	return nil
}

// LabelPod gives a Pod (namespace/name) these labels, and no others, while the lab
// runs, as `kubectl label` would. WaitRealised waits until the agents know.
func (l *Lab) LabelPod(key string, labels map[string]string) error {
	i := slices.IndexFunc(l.objects.Pods, func(p *corev1.Pod) bool { return podKey(p) == key })
	if i < 0 {
		return fmt.Errorf("label: the lab has no Pod %s", key)
	}
	l.objects.Pods[i].Labels = maps.Clone(labels)
	return l.setPolicies(l.inForce)
}

// Apply gives more files to the agents, as they are, or replaces those of the
// same name that an earlier Apply gave. They may hold policies, and Namespaces
// that the lab's manifests do not declare, but no Pods and no Nodes: a lab has
// those that it was built with.
func (l *Lab) Apply(paths ...string) error {
	names, err := manifestFiles(paths)
	if err != nil {
		return err
	}
	for _, path := range names {
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("apply: %w", err)
		}
		if err := l.ApplyContent(filepath.Base(path), content); err != nil {
			return err
		}
	}
	return nil
}

// ApplyContent is Apply for a file that is not on disk.
func (l *Lab) ApplyContent(name string, content []byte) error {
	if !isManifest(name) || strings.ContainsRune(name, '/') {
		return fmt.Errorf("apply: %q is no name of a manifest: it must end in .yaml, .yml or .json", name)
	}
	target := "applied-" + name
	if !slices.Contains(l.applied, target) {
		l.applied = append(l.applied, target)
	}
	return writeFile(filepath.Join(l.manifestDir(), target), content)
}

// Remove takes away files that Apply gave; only their base names matter.
func (l *Lab) Remove(paths ...string) error {
	for _, path := range paths {
		target := "applied-" + filepath.Base(path)
		i := slices.Index(l.applied, target)
		if i < 0 {
			return fmt.Errorf("remove: no file %s was applied", filepath.Base(path))
		}
		if err := os.Remove(filepath.Join(l.manifestDir(), target)); err != nil {
			return fmt.Errorf("remove: %w", err)
		}
		l.applied = slices.Delete(l.applied, i, i+1)
	}
	return nil
}

// WaitRealised waits until the flows of every agent are those of the manifests
// as they are now, at most 90 s.
func (l *Lab) WaitRealised(ctx context.Context) error {
	revision, err := cluster.Revision([]string{l.manifestDir()})
	if err != nil {
		return err
	}
	return l.eachAgent(func(a *Agent) error { return a.waitRealised(ctx, revision) })
}

// Problems are what the agents cannot read or refuse of the manifests, each
// once.
func (l *Lab) Problems(ctx context.Context) ([]Problem, error) {
	var all []Problem
	for _, n := range l.nodes {
		if n.agent == nil {
			continue
		}
		status, err := n.agent.Status(ctx)
		if err != nil {
			return nil, err
		}
		for _, problem := range status.Problems {
			problem.File = filepath.Base(problem.File)
			if !slices.Contains(all, problem) {
				all = append(all, problem)
			}
		}
	}
	return all, nil
}
