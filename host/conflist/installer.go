package conflist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/sluice-net/sluice/cni/wire"
)

// Options of an Installer. Dir and Logger are needed.
type Options struct {
	Dir    string // where runtimes read CNI configurations, for example /etc/cni/net.d
	File   string // the name of ours; "" means DefaultFile
	Socket string // where the agent answers; "" means wire.DefaultSocket
	Logger *slog.Logger
}

// DefaultFile sorts before what primaries usually call theirs. Runtimes take the first.
const DefaultFile = "05-sluice.conflist"

// Installer keeps the chained list in a directory. Only one may be at work on it.
type Installer struct {
	opts Options
	said string // the last problem, so that it is logged once
}

// New checks the options.
func New(opts Options) (*Installer, error) {
	if opts.File == "" {
		opts.File = DefaultFile
	}
	if opts.Socket == "" {
		opts.Socket = wire.DefaultSocket
	}
	switch {
	case opts.Dir == "" || opts.Logger == nil:
		return nil, errors.New("conflist: Dir and Logger must be given")
	case filepath.Base(opts.File) != opts.File || filepath.Ext(opts.File) != ".conflist":
		return nil, fmt.Errorf("conflist: the file name %q must end in .conflist and have no directory", opts.File)
	}
	return &Installer{opts: opts}, nil
}

func (i *Installer) path() string { return filepath.Join(i.opts.Dir, i.opts.File) }

// Install looks once and puts right what differs. It returns whether ours is in the directory then.
//
// The error is a *Refused if the primary is one that Sluice cannot be chained behind; ours is removed then. Without a primary,
// or while its file cannot be read yet, there is no error.
func (i *Installer) Install() (installed bool, err error) {
	have, ours, err := i.own()
	if err != nil {
		return false, err
	}
	primary, text, err := i.primary(ours)
	switch {
	case errors.Is(err, errUnreadable):
		i.opts.Logger.Debug("the primary CNI configuration cannot be read yet", "err", err)
		return have != nil, nil
	case err != nil:
		return have != nil, err
	case primary == "":
		return false, i.Remove()
	}
	want, err := derive(primary, text, i.opts.Socket)
	var refused *Refused
	switch {
	case errors.As(err, &refused):
		return false, errors.Join(err, i.Remove())
	case err != nil:
		return have != nil, err
	case bytes.Equal(have, want):
		return true, nil
	}
	if err := i.write(want, primary); err != nil {
		return have != nil, fmt.Errorf("write the chained CNI configuration: %w", err)
	}
	i.opts.Logger.Info("CNI configuration written", "file", i.path(), "primary", primary)
	return true, nil
}

// own reads our file: nil if there is none. A file of that name that is not ours is an error.
func (i *Installer) own() (text []byte, from string, err error) {
	text, err = os.ReadFile(i.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	from, ours := derivedFrom(text)
	if !ours {
		return nil, "", &Refused{i.path(), "it is there and was not written by Sluice", "remove it, or give Sluice's another name with cni.file"}
	}
	return text, from, nil
}

// extensions are what runtimes read (libcni, ConfFiles).
var extensions = []string{".conf", ".conflist", ".json"}

// primary reads the file that the runtime would take without ours: the first that it can read. If the one that ours was made
// of is there and cannot be read, it is being written, and the error is errUnreadable.
func (i *Installer) primary(former string) (file string, text []byte, err error) {
	entries, err := os.ReadDir(i.opts.Dir) // sorted by name
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("look for the primary CNI configuration: %w", err)
	}
	var unreadable error
	for _, e := range entries {
		if e.Name() == i.opts.File || !slices.Contains(extensions, filepath.Ext(e.Name())) {
			continue
		}
		file := filepath.Join(i.opts.Dir, e.Name())
		text, err := os.ReadFile(file)
		if err == nil {
			_, _, err = read(file, text)
		}
		switch {
		case err == nil && e.Name() < i.opts.File:
			return "", nil, &Refused{file, "it sorts before " + i.opts.File + ", so that runtimes would not read Sluice's", "give Sluice's a name that sorts first with cni.file"}
		case err == nil:
			return file, text, nil
		case e.Name() == former:
			return "", nil, err
		}
		unreadable = errors.Join(unreadable, err)
	}
	if unreadable != nil && errors.Is(unreadable, errUnreadable) {
		return "", nil, unreadable
	}
	return "", nil, nil
}

// Remove takes our file away. Without one there is nothing to do; somebody else's file stays.
func (i *Installer) Remove() error {
	have, _, err := i.own()
	var refused *Refused
	if errors.As(err, &refused) || err == nil && have == nil {
		return nil
	}
	if err == nil {
		err = os.Remove(i.path())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the chained CNI configuration: %w", err)
	}
	i.opts.Logger.Info("CNI configuration removed", "file", i.path())
	return nil
}

// lookEvery is how often Run looks although nothing was told, for directories whose changes the kernel does not tell.
const lookEvery = 30 * time.Second

// settle is how long Run waits after a change for those that follow it.
const settle = 50 * time.Millisecond

// Run keeps the list as Install makes it, until ctx ends. The list stays then. What it cannot do, it logs and tries again.
func (i *Installer) Run(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch for CNI configurations: %w", err)
	}
	defer watcher.Close()
	if err := os.MkdirAll(i.opts.Dir, 0o755); err != nil {
		return fmt.Errorf("make the directory of CNI configurations: %w", err)
	}
	if err := watcher.Add(i.opts.Dir); err != nil {
		return fmt.Errorf("watch %s: %w", i.opts.Dir, err)
	}
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	for {
		i.look()
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		case <-watcher.Errors:
		case <-watcher.Events:
			if !drain(ctx, watcher.Events) {
				return nil
			}
		}
	}
}

// drain takes changes until there are none for a while; false says that ctx ended.
func drain(ctx context.Context, events <-chan fsnotify.Event) bool {
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	for range 100 { // somebody who writes all the time must not keep us from looking
		select {
		case <-ctx.Done():
			return false
		case <-quiet.C:
			return true
		case <-events:
		}
	}
	return true
}

func (i *Installer) look() {
	_, err := i.Install()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != i.said && err != nil {
		i.opts.Logger.Error("new Pods do not get Sluice: the CNI configuration cannot be chained", "err", err)
	}
	i.said = text
}

// Plugins are the types of the plugins in the configuration that runtimes would take from the directory without ours, which is
// called file ("" means DefaultFile). Without a configuration, or while none can be read, there are none.
func Plugins(dir, file string) ([]string, error) {
	if file == "" {
		file = DefaultFile
	}
	i := &Installer{opts: Options{Dir: dir, File: file}}
	path, text, err := i.primary("")
	if err != nil || path == "" {
		return nil, err
	}
	_, plugins, err := read(path, text)
	if err != nil {
		return nil, err
	}
	var types []string
	for _, p := range plugins {
		types = append(types, stringOf(p["type"]))
	}
	return types, nil
}
