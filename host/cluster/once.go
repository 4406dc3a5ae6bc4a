package cluster

import "fmt"

// LoadOnce reads the manifests as Manifests does, once: the events are what a
// Sink would have been given before Synced. A path that can not be read is an
// error; everything else that is wrong is among the problems.
func LoadOnce(paths []string, extraResources ...string) ([]Event, []Problem, error) {
	m, err := NewManifests(Options{Paths: paths})
	if err != nil {
		return nil, nil, err
	}
	roots := readRoots(m.options.Paths)
	for _, root := range roots {
		if root.err != nil {
			return nil, nil, fmt.Errorf("read manifests: %w: create it or correct the path", root.err)
		}
	}
	var s state
	events := s.update(roots, setOf(extraResources))
	return events, s.problems, nil
}
