package plugin

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/sandbox"
)

// Committer makes transactions real: the agent's single writer.
//
// Commit returns nil once the transaction's delta is in force (behind the
// barrier) and has called layer.Commit(txn); or an error, and then nothing has
// changed, neither the datapath nor the layer. It is called for an empty delta
// too, because of the reports. A transaction is handed over once.
type Committer interface {
	Commit(ctx context.Context, layer *policy.Layer, txn *policy.Txn) error
}

// Options of a Supervisor. Committer, SandboxPath and Logger are needed.
type Options struct {
	Committer   Committer
	SandboxPath string // of the program sluice-sandbox
	// Watch makes sure that the objects of these resources have been delivered
	// and go on being so, before a generation of the module that may see them is
	// given the first state. It may be called several times for one module. Nil:
	// whatever is delivered is all there is.
	Watch func(ctx context.Context, module string, resources []string) error
	// Unwatch says that a module watches these resources and no others from now on:
	// what only it watched besides need not be delivered any more. It is called when a
	// generation has taken over, and with none after the last Watch for a module that
	// is gone. Nil: nobody cares.
	Unwatch func(module string, except []string)
	Logger  *slog.Logger

	// Limits that a module gets unless its Grant says otherwise. Zero fields are
	// the defaults of abi/README.md: 64 MiB of memory, 2 s for a batch, 10 s for
	// a snapshot, 100k rules, 100k sets, 1M addresses.
	Limits abi.Limits
	// RecordingDir gets a recording of the last batches of each generation that
	// fails; the latest RecordingsKept of each module are kept. Empty: none.
	RecordingDir string
	// RecordingBytes bounds what is kept in memory of each generation. Default 8
	// MiB.
	RecordingBytes int
	// LoadTimeout bounds compiling and starting a module. Default 30 s: a module
	// in Go takes 0.6 s on an idle machine, and nothing waits for it but itself.
	LoadTimeout time.Duration
	// RestartMin and RestartMax bound the pause before a generation is started
	// again; it doubles with each failure in a row. Defaults 100 ms and 30 s.
	RestartMin, RestartMax time.Duration
	// Reviewer is needed for modules with a Rollout.
	Reviewer Reviewer
	// Probation is how long after it took over from another generation any failure
	// of one makes the module return to that one. Default 1 min.
	Probation time.Duration
	// StableAfter is how long a generation must have worked for its earlier
	// failures to be forgotten. Default 1 min.
	StableAfter time.Duration
}

// FailuresInARow is after how many a generation is given up, if there is one
// before it.
const FailuresInARow = 5

// The defaults of limits that concern time and memory.
const (
	DefaultMemoryMiB      = sandbox.DefaultMemoryMiB
	DefaultBatchMillis    = 2_000
	DefaultSnapshotMillis = 10_000
)

func (o Options) withDefaults() Options {
	orElse := func(d *time.Duration, fallback time.Duration) {
		if *d == 0 {
			*d = fallback
		}
	}
	orElse(&o.LoadTimeout, 30*time.Second)
	orElse(&o.RestartMin, 100*time.Millisecond)
	orElse(&o.RestartMax, 30*time.Second)
	orElse(&o.StableAfter, time.Minute)
	orElse(&o.Probation, time.Minute)
	o.Limits = overlay(o.Limits, abi.Limits{
		MemoryMiB: DefaultMemoryMiB, BatchMillis: DefaultBatchMillis, SnapshotMillis: DefaultSnapshotMillis,
		Rules: policy.DefaultRules, Sets: policy.DefaultSets, Addresses: policy.DefaultAddresses,
	})
	return o
}

// Spec is one module, as the operator wants it. Exactly one of Path, Wasm and
// Fetch is given.
type Spec struct {
	Name  string // unique; the owner of everything that the module puts in force
	Order int    // place in the operator's list: lower is asked first in a tier

	Path string // a file that is watched: a change is a new generation
	Wasm []byte // a module that never changes, such as one embedded in the agent
	// Fetch gets a module that never changes from somewhere that may not answer.
	Fetch Fetch
	// From names where the bytes come from. An Update that names another place, or
	// another digest, makes them be read from there.
	From string
	// Digest, "sha256:...", is the only one that may be loaded; empty: any.
	Digest string

	Grant Grant
	// Config is handed to the module as abi.Configure, if it is what the schema of
	// the module's manifest allows; may be nil.
	Config json.RawMessage

	Mode    Mode
	Rollout Rollout
	// InsteadOf is the enforced module that a shadow is meant to replace: it is
	// compared in its place. Empty: it is compared as one more module.
	InsteadOf string
}

// Grant is what the operator allows. What a module has is what its manifest asks
// for, cut by this. The zero Grant grants nothing.
type Grant struct {
	Resources []string // as in abi.ObjectPut; "*" is every resource that it asks for
	Tiers     []string // "admin", "network", "baseline"
	Actions   []string // "allow", "deny", "reject", "pass"
	Limits    abi.Limits
}

// overlay returns over, with what is zero taken from under.
func overlay(over, under abi.Limits) abi.Limits {
	pick := func(a, b int) int {
		if a != 0 {
			return a
		}
		return b
	}
	return combine(over, under, pick)
}

// atMost returns asked, where zero and what is over granted becomes granted.
func atMost(asked, granted abi.Limits) abi.Limits {
	return combine(asked, granted, func(a, g int) int {
		if a == 0 || a > g {
			return g
		}
		return a
	})
}

func combine(a, b abi.Limits, f func(a, b int) int) abi.Limits {
	return abi.Limits{
		MemoryMiB:      f(a.MemoryMiB, b.MemoryMiB),
		BatchMillis:    f(a.BatchMillis, b.BatchMillis),
		SnapshotMillis: f(a.SnapshotMillis, b.SnapshotMillis),
		Rules:          f(a.Rules, b.Rules),
		Sets:           f(a.Sets, b.Sets),
		Addresses:      f(a.Addresses, b.Addresses),
	}
}
