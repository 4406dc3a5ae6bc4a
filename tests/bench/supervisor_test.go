package bench

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/modules/networkpolicy/translate"
)

// patience bounds what waits for a module.
const patience = 3 * time.Minute

// supervise runs the real module in the real sandbox and lets it commit to the node.
func supervise(n *node, bin string) (*plugin.Supervisor, error) {
	s, err := plugin.New(plugin.Options{
		Committer: n, SandboxPath: filepath.Join(bin, "sluice-sandbox"), Logger: slog.New(slog.DiscardHandler),
		LoadTimeout: patience,
		Limits:      abi.Limits{BatchMillis: int(patience.Milliseconds()), SnapshotMillis: int(patience.Milliseconds())},
	})
	if err != nil {
		return nil, err
	}
	err = s.Add(plugin.Spec{
		Name: "networkpolicy", Path: filepath.Join(bin, "modules", "networkpolicy.wasm"),
		Grant: plugin.Grant{Resources: []string{"*"}, Tiers: []string{"network"}, Actions: []string{"allow"}},
	})
	if err != nil {
		s.Close()
		return nil, err
	}
	n.layer = s.Layers()[0]
	return s, nil
}

func (o object) event(generation int64) abi.Event {
	return &abi.ObjectPut{Resource: translate.Resource, Namespace: o.namespace, Name: o.name, UID: o.name, Generation: generation, JSON: o.json}
}

// peakMemory is the most that a process had resident, in bytes (proc(5), VmHWM;
// getrusage's figure is that of the parent too).
func peakMemory(pid int) (float64, error) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, is := strings.CutPrefix(line, "VmHWM:"); is {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmHWM", pid)
}
