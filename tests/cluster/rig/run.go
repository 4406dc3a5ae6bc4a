package rig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tests/cluster/build"
	"github.com/sluice-net/sluice/tests/cluster/network"
	"github.com/sluice-net/sluice/tests/cluster/node"
)

// run is the directory of one cluster's life. A lock on it says that the cluster's
// process is alive.
type run struct {
	name string
	dir  string
	lock *os.File
}

// newRun makes one, after removing those whose processes are gone.
func newRun() (*run, error) {
	cache, err := build.Cache()
	if err != nil {
		return nil, err
	}
	all := filepath.Join(cache, "run")
	if err := os.MkdirAll(all, 0o755); err != nil {
		return nil, err
	}
	if err := sweep(all); err != nil {
		return nil, fmt.Errorf("removing what an earlier cluster left: %w", err)
	}
	dir, err := os.MkdirTemp(all, "sluice-")
	if err != nil {
		return nil, err
	}
	r := &run{name: filepath.Base(dir), dir: dir}
	if r.lock, err = lock(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return r, os.Chmod(dir, 0o755)
}

// lock locks a run's directory; the lock goes with the process.
func lock(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("a cluster is at work in %s: %w", dir, err), file.Close())
	}
	return file, nil
}

// sweep removes the runs of processes that were killed. The kernel has ended their
// programs already.
func sweep(all string) error {
	dirs, err := filepath.Glob(filepath.Join(all, "sluice-*"))
	for _, dir := range dirs {
		held, locking := lock(dir)
		if errors.Is(locking, unix.EWOULDBLOCK) {
			continue
		}
		if locking != nil {
			err = errors.Join(err, locking)
			continue
		}
		err = errors.Join(err, network.Remove(dir), node.RemoveCgroups(filepath.Base(dir)), os.RemoveAll(dir), held.Close())
	}
	return err
}

func (r *run) remove() error {
	return errors.Join(os.RemoveAll(r.dir), r.lock.Close())
}

// mountpoints makes the directories of this machine that nodes lay their own over,
// and returns those that were not there, the deepest first.
func mountpoints(dirs []string) (made []string, err error) {
	for _, dir := range dirs {
		var missing []string
		for d := dir; ; d = filepath.Dir(d) {
			if _, err := os.Stat(d); err == nil {
				break
			}
			missing = append(missing, d)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return made, err
		}
		made = append(missing, made...)
	}
	return made, nil
}

// removeEmpty removes directories that nobody put anything into, if nobody else has. They
// stay while there is another cluster: to remove a directory ends the mounts on it everywhere (umount(2)).
func removeEmpty(dirs []string) (err error) {
	if cache, err := build.Cache(); err != nil {
		return err
	} else if others, _ := filepath.Glob(filepath.Join(cache, "run", "sluice-*")); len(others) > 0 {
		return nil
	}
	for _, dir := range dirs {
		removing := os.Remove(dir)
		if !slices.ContainsFunc([]error{nil, fs.ErrNotExist, unix.ENOTEMPTY, unix.EEXIST}, func(is error) bool { return errors.Is(removing, is) }) {
			err = errors.Join(err, removing)
		}
	}
	return err
}

// tails are the last lines of every log.
func (c *Cluster) tails() string {
	files, _ := filepath.Glob(filepath.Join(c.run.dir, "control-plane", "*.log")) // the pattern is well formed
	for _, n := range c.Nodes {
		files = append(files, n.Logs()...)
	}
	var out strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(&out, "--- %s\n%s\n", strings.TrimPrefix(file, c.run.dir+"/"), strings.Join(lines[max(0, len(lines)-8):], "\n"))
	}
	return out.String()
}
