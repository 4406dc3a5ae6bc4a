package agent

import (
	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/host/plugin"
)

// moduleSamples are what metrics show of the modules of a supervisor.
func moduleSamples(s *plugin.Supervisor) func() []observe.ModuleSample {
	return func() []observe.ModuleSample {
		var out []observe.ModuleSample
		for _, m := range s.Status() {
			out = append(out, observe.ModuleSample{
				Name: m.Name, State: string(m.State), Version: m.Version, Digest: m.Digest, Generation: m.Generation,
				CPU: m.CPU, MemoryBytes: m.RSS, LastBatch: m.LastBatch, Batches: m.Batches, Requests: m.Requests, Refused: m.Refused,
				Commits: m.Commits, Restarts: m.Restarts, Reloads: m.Reloads, Rollbacks: m.Rollbacks,
				Rules: m.Rules, Sets: m.Sets, Addresses: m.Addresses,
			})
		}
		return out
	}
}
