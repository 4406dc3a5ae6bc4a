package plugin

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluice-net/sluice/host/policy"
	"github.com/sluice-net/sluice/host/recording"
)

// RecordingsKept is how many recordings of failures are kept of each module.
const RecordingsKept = 5

// recordingSuffix is how the names of recordings end.
const recordingSuffix = ".recording"

// recording is what the generation heard and said last.
func (g *generation) recording(module, why string) *recording.Recording {
	r := &recording.Recording{Header: recording.Header{
		Format: recording.Format, Module: module, Generation: g.number, Digest: g.digest, Version: g.manifest.Version,
		Limits: g.limits, At: time.Now(), Why: why,
	}}
	for _, tier := range g.grant.Tiers {
		r.Tiers = append(r.Tiers, policy.TierName(tier))
	}
	for _, action := range g.grant.Actions {
		r.Actions = append(r.Actions, policy.ActionName(action))
	}
	r.Batches, r.Folded = g.ring.Batches()
	return r
}

// saveRecording writes what led to a failure, so that it can be looked into. That
// it cannot be written is no failure of its own.
func (m *Module) saveRecording(g *generation, why error) {
	if m.options.RecordingDir == "" || g == nil {
		return
	}
	r := g.recording(m.spec.Name, why.Error())
	if len(r.Batches) == 0 {
		return // it failed before it was handed anything
	}
	path, err := m.writeRecording(r)
	if err != nil {
		m.log.Warn("what led to a failure could not be kept", "error", err)
		return
	}
	m.log.Info("what led to the failure was kept", "generation", g.number, "recording", path)
	m.mu.Lock()
	m.view.Recording = path
	m.mu.Unlock()
}

func (m *Module) writeRecording(r *recording.Recording) (string, error) {
	if err := os.MkdirAll(m.options.RecordingDir, 0o700); err != nil {
		return "", err
	}
	base := filepath.Join(m.options.RecordingDir, recordingName(m.spec.Name))
	path := fmt.Sprintf("%s-%s-%d%s", base, m.now().UTC().Format("20060102T150405.000000000"), r.Generation, recordingSuffix)
	if err := r.Save(path); err != nil {
		return "", err
	}
	all, err := filepath.Glob(base + "-2*" + recordingSuffix)
	if err != nil {
		return "", err
	}
	slices.Sort(all) // by time
	for len(all) > RecordingsKept {
		if err := os.Remove(all[0]); err != nil {
			return "", err
		}
		all = all[1:]
	}
	return path, nil
}

// recordingName is the module's name as part of a file's.
func recordingName(module string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, module)
}

// Recording is what the running generation of a module heard and said last.
func (s *Supervisor) Recording(name string) (*recording.Recording, error) {
	s.mu.Lock()
	m := s.modules[name]
	s.mu.Unlock()
	if m == nil {
		return nil, fmt.Errorf("module %q: there is none of this name", name)
	}
	m.mu.Lock()
	running := m.view.running
	m.mu.Unlock()
	if running == nil {
		return nil, fmt.Errorf("module %q: no generation of it is at work; %s", name, m.Status().LastError)
	}
	return running.recording(name, ""), nil
}
