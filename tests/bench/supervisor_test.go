package bench

import (
	"log/slog"
	"path/filepath"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/modules/networkpolicy/translate"
)

// patience bounds what waits for a module.
const patience = 3 * time.Minute

// supervise runs the real NetworkPolicy module in the real sandbox and lets it
// commit to the node.
func supervise(n *node, bin string) (*plugin.Supervisor, error) {
	return superviseModule(n, bin, plugin.Spec{
		Name:  "networkpolicy",
		Grant: plugin.Grant{Resources: []string{"*"}, Tiers: []string{"network"}, Actions: []string{"allow"}},
	})
}

// superviseModule does so with the module that `make build` made under this name.
func superviseModule(n *node, bin string, spec plugin.Spec) (*plugin.Supervisor, error) {
	s, err := plugin.New(plugin.Options{
		Committer: n, SandboxPath: filepath.Join(bin, "sluice-sandbox"), Logger: slog.New(slog.DiscardHandler),
		LoadTimeout: patience,
		Limits:      abi.Limits{BatchMillis: int(patience.Milliseconds()), SnapshotMillis: int(patience.Milliseconds())},
	})
	if err != nil {
		return nil, err
	}
	spec.Path = filepath.Join(bin, "modules", spec.Name+".wasm")
	if err := s.Add(spec); err != nil {
		s.Close()
		return nil, err
	}
	n.layer = s.Layers()[0]
	return s, nil
}

func (o object) event(generation int64) abi.Event {
	return &abi.ObjectPut{Resource: translate.Resource, Namespace: o.namespace, Name: o.name, UID: o.name, Generation: generation, JSON: o.json}
}
