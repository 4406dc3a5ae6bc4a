package lab

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dirPrefix = "sluice-lab-"
	lockName  = "lock"
)

// defaultParent is /run, where it can be written, because sockets want short
// paths and nothing there outlives a boot.
func defaultParent() string {
	if unix.Access("/run", unix.W_OK) == nil {
		return "/run"
	}
	return os.TempDir()
}

// lockDir holds a lock that the kernel lets go when this process ends, in
// whatever way.
func lockDir(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", lock.Name(), err), lock.Close())
	}
	return lock, nil
}

// sweep removes what labs left behind that were killed: their programs ended
// with them, so this is the directory and the namespaces mounted in it. One
// that is younger than a minute is left alone, because it may not have taken
// its lock yet.
func sweep(parent string, logger *slog.Logger) {
	dirs, err := filepath.Glob(filepath.Join(parent, dirPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		lock, err := lockDir(dir)
		if err != nil {
			continue // in use
		}
		if err := removeDir(dir); err != nil {
			logger.Warn("a dead lab could not be removed", "dir", dir, "err", err)
		}
		_ = lock.Close()
	}
}

// removeDir removes a lab's directory with the namespaces mounted in it.
func removeDir(dir string) error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	var errs []error
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && strings.HasPrefix(fields[1], dir+"/") {
			errs = append(errs, unmount(fields[1]))
		}
	}
	return errors.Join(append(errs, os.RemoveAll(dir))...)
}
