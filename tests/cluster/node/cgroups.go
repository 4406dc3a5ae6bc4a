package node

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// cgroups are a node's own, one in each hierarchy, below those of the caller: what
// bounds the caller bounds the node.
type cgroups struct {
	dirs    []string
	unified bool
}

// hierarchies is where systems mount them (cgroups(7)).
const hierarchies = "/sys/fs/cgroup"

func newCgroups(name string) (c cgroups, err error) {
	f, err := os.Open("/proc/self/cgroup")
	if err != nil {
		return c, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// hierarchy:controllers:path
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) != 3 || fields[1] == "" {
			continue
		}
		parent := filepath.Join(hierarchies, strings.TrimPrefix(fields[1], "name="), fields[2])
		if err := c.add(parent, name, strings.Contains(fields[1], "cpuset")); err != nil {
			return c, err
		}
	}
	if len(c.dirs) == 0 { // version 2 alone; a group with processes may have no others with controllers below it
		c.unified = true
		return c, c.add(hierarchies, name, false)
	}
	return c, nil
}

func (c *cgroups) add(parent, name string, cpuset bool) error {
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("a cgroup for the node: %w", err)
	}
	c.dirs = append(c.dirs, dir)
	if !cpuset {
		return nil
	}
	// A new group of version 1 may use no processor and no memory.
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, file))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), value, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "cgroup.clone_children"), []byte("1"), 0o644)
}

// remove removes the groups with those below them. They are busy until the kernel is
// done with the processes that were in them.
func (c *cgroups) remove(patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for _, dir := range c.dirs {
		for {
			err := removeTree(dir)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				return err
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	c.dirs = nil
	return nil
}

// RemoveCgroups removes the groups of nodes whose process was killed.
func RemoveCgroups(id string) error {
	var c cgroups
	err := filepath.WalkDir(hierarchies, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && strings.HasPrefix(entry.Name(), id+"-") {
			c.dirs = append(c.dirs, path)
			return fs.SkipDir
		}
		return nil // groups come and go while they are looked at
	})
	return errors.Join(err, c.remove(5*time.Second))
}

// removeTree removes directories only: the files of a cgroup go with it.
func removeTree(root string) error {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return nil // what is gone meanwhile is what is wanted
	})
	for _, dir := range slices.Backward(dirs) {
		if removing := os.Remove(dir); removing != nil && !errors.Is(removing, fs.ErrNotExist) {
			err = errors.Join(err, removing)
		}
	}
	return err
}
