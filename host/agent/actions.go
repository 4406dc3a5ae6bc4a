package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"github.com/sluice-net/sluice/cni/wire"
	"github.com/sluice-net/sluice/host/attach"
	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/host/policy"
)

// Moved is what POST /v1/adopt and /v1/eject answer.
type Moved struct {
	Pods []MovedPod `json:"pods"`
}

// MovedPod is how one Pod came onto the bridge, or off it.
type MovedPod struct {
	Pod     string `json:"pod"`
	Error   string `json:"error,omitempty"` // why it did not; it is where it was
	Already bool   `json:"already,omitempty"`
	// Of an adoption: the connections that its sockets showed, those that policy
	// allows and that go on, and how long its packets took both ways or neither.
	Connections    int     `json:"connections,omitempty"`
	Kept           int     `json:"kept,omitempty"`
	HandoverMillis float64 `json:"handoverMillis,omitempty"`
}

// Failed counts the Pods with an error.
func (m Moved) Failed() (n int) {
	for _, p := range m.Pods {
		if p.Error != "" {
			n++
		}
	}
	return n
}

// Uninstalled is what POST /v1/uninstall answers.
type Uninstalled struct {
	Ejected int `json:"ejected"` // Pods
}

// handleActions adds to the admin API what changes the node.
func (a *agent) handleActions(s *observe.Server) {
	s.HandleAction("/v1/adopt", func(ctx context.Context, q url.Values) (any, error) {
		if err := a.engine.waitReady(ctx); err != nil {
			return nil, err
		}
		pods, err := a.runningPods(ctx)
		if err != nil {
			return nil, err
		}
		if key := q.Get("pod"); key != "" {
			if pods = only(pods, key); len(pods) == 0 {
				return nil, observe.NotFound("Pod "+key, "no such Pod runs on this node with an address of its own", "see `kubectl get pods -o wide`")
			}
		}
		return a.adopt(ctx, pods), nil
	})
	s.HandleAction("/v1/eject", func(ctx context.Context, q url.Values) (any, error) {
		key, all := q.Get("pod"), q.Get("all") == "true"
		if (key == "") != all {
			return nil, observe.BadParameter("pod", "exactly one of pod and all must be given", "name a Pod as namespace/name, or say all=true")
		}
		return a.eject(ctx, key)
	})
	s.HandleAction("/v1/modules/accept", a.accept)
	s.HandleAction("/v1/uninstall", func(ctx context.Context, _ url.Values) (any, error) { return a.uninstall(ctx) })
}

// runningPods are the Pods of this node that could be on the bridge.
func (a *agent) runningPods(ctx context.Context) ([]attach.Running, error) {
	var view policy.View
	if err := a.engine.ask(ctx, func() { view.Inventory = a.engine.inv.Snapshot() }); err != nil {
		return nil, err
	}
	var pods []attach.Running
	for p := range view.Inventory.Pods() {
		addresses := p.Addresses()
		if p.Node() != a.Config.NodeName || p.HostNetwork() || p.Finished() || len(addresses) == 0 {
			continue
		}
		pod := attach.Running{Namespace: p.Namespace(), Name: p.Name(), Addresses: addresses}
		if object, err := a.source.Pod(ctx, pod.Namespace, pod.Name); err == nil { // it may have just gone
			pod.UID = string(object.UID)
		}
		pods = append(pods, pod)
	}
	return pods, nil
}

func only(pods []attach.Running, key string) []attach.Running {
	for _, p := range pods {
		if p.Namespace+"/"+p.Name == key {
			return []attach.Running{p}
		}
	}
	return nil
}

// adopt moves Pods onto the bridge, one after the other. What fails for one
// does not keep the others from being tried.
func (a *agent) adopt(ctx context.Context, pods []attach.Running) Moved {
	result := Moved{Pods: []MovedPod{}}
	for _, p := range pods {
		moved := MovedPod{Pod: p.Namespace + "/" + p.Name}
		adoption, err := a.attacher.Adopt(ctx, p)
		if err != nil {
			moved.Error = err.Error()
			a.log.Debug("a running Pod stays off the bridge, and without policy", "pod", moved.Pod, "error", err)
		}
		moved.Already, moved.Connections, moved.Kept = adoption.Already, adoption.Connections, adoption.Kept
		moved.HandoverMillis = float64(adoption.Handover.Microseconds()) / 1000
		result.Pods = append(result.Pods, moved)
	}
	return result
}

// eject moves one Pod off the bridge, or all for "".
func (a *agent) eject(ctx context.Context, key string) (Moved, error) {
	result := Moved{Pods: []MovedPod{}}
	for _, at := range a.attacher.Attachments() {
		moved := MovedPod{Pod: at.Namespace + "/" + at.Name}
		if key != "" && key != moved.Pod {
			continue
		}
		if err := a.attacher.Eject(ctx, at.Namespace, at.Name); err != nil {
			moved.Error = err.Error()
		}
		result.Pods = append(result.Pods, moved)
	}
	if key != "" && len(result.Pods) == 0 {
		return result, observe.NotFound("Pod "+key, "it is not on the bridge", "see `sluicectl status`")
	}
	return result, nil
}

// uninstall leaves the node as it was. The agent lives on, does nothing and
// answers CNI requests with a refusal, until it is ended.
func (a *agent) uninstall(ctx context.Context) (Uninstalled, error) {
	if a.conflist != nil {
		// First, so that no Pod comes that waits for the agent in vain.
		if err := a.conflist.retire(); err != nil {
			return Uninstalled{}, err
		}
	}
	// Runtimes may ask sluice-cni for a DEL when nobody answers any more.
	if err := os.WriteFile(wire.RetiredFile(a.Config.CNISocket), nil, 0o600); err != nil {
		return Uninstalled{}, err
	}
	a.retired.Store(true)
	ejected, err := a.attacher.Uninstall(ctx)
	if err == nil {
		err = a.forgetState(ctx)
	}
	return Uninstalled{Ejected: ejected}, err
}

// forgetState removes what the agent keeps on disk, and its directory if nothing else is
// in there. In a Pod it is a mount, which stays.
func (a *agent) forgetState(ctx context.Context) error {
	if a.kube != nil {
		if err := a.kube.StopKeeping(ctx); err != nil {
			return err
		}
	}
	for _, dir := range []string{a.moduleDir(), a.configMapDir()} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove the modules that are kept on disk: %w", err)
		}
	}
	_ = os.Remove(a.Config.StateDir) // what is left is somebody else's
	return nil
}

// install takes back what uninstall said.
func (a *agent) install() error {
	if err := os.Remove(wire.RetiredFile(a.Config.CNISocket)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("tell sluice-cni that Sluice is installed: %w", err)
	}
	return nil
}
