package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sluice-net/sluice/host/artifact"
)

// copiesEvery is how often copies of modules on disk are looked through. The first
// time is as long after the start: by then it is known what everybody asks for.
const copiesEvery = time.Hour

// pruneCopies removes the copies of modules that nobody asks for any more, until
// ctx ends. What is asked for stays, and what runs: it is what a node that is cut
// off from the API server and the registry starts with.
func (a *agent) pruneCopies(ctx context.Context) error {
	tick := time.NewTicker(copiesEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if pins, known := a.pins(); known {
			err := errors.Join(artifact.Prune(a.moduleDir(), pins), pruneConfigMaps(a.configMapDir(), pins))
			if err != nil {
				a.log.Warn("copies of modules that nobody asks for stay on disk", "error", err)
			}
		}
	}
}

// pins are the digests of all modules that are asked for or run. Known is false
// while it cannot be said what all of them are.
func (a *agent) pins() (digests []string, known bool) {
	digests, known = a.catalog.Pins()
	for _, m := range a.Config.Modules {
		digests = append(digests, m.Source.Digest)
		if _, digest, pinned := strings.Cut(m.Source.OCI, "@"); pinned {
			digests = append(digests, digest)
		}
	}
	for _, m := range a.supervisor.Status() {
		digests = append(digests, m.Digest)
	}
	digests = slices.DeleteFunc(digests, func(d string) bool { return d == "" })
	select {
	case <-a.engine.ready: // every module has committed, or need not
		return digests, known
	default:
		return digests, false
	}
}

// pruneConfigMaps removes copies of modules from ConfigMaps, whose names are their
// digests, but for those that are named. What was written within the last hour stays
// too: it may be half of a copy.
func pruneConfigMaps(dir string, pins []string) error {
	copies, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, c := range copies {
		if slices.Contains(pins, "sha256:"+c.Name()) {
			continue
		}
		if info, gone := c.Info(); gone == nil && time.Since(info.ModTime()) > copiesEvery {
			err = errors.Join(err, os.Remove(filepath.Join(dir, c.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("removing copies of modules from ConfigMaps: %w", err)
	}
	return nil
}
