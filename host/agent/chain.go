package agent

import (
	"context"
	"fmt"
	"sync"

	"github.com/sluice-net/sluice/host/conflist"
)

// CNIConfig says how sluice-cni gets chained behind the node's primary plugin.
type CNIConfig struct {
	// Install makes the agent keep the chained list. Default: true on a
	// Kubernetes node, false with a directory of manifests.
	Install *bool `json:"install,omitempty"`
	// ConfDir is where runtimes read their lists. Default /etc/cni/net.d.
	ConfDir string `json:"confDir,omitempty"`
	// File is the name of the chained list there. Default 05-sluice.conflist.
	File string `json:"file,omitempty"`
	// Binary is the program sluice-cni to copy to BinDir. Empty: it is there already.
	Binary string `json:"binary,omitempty"`
	// BinDir is where runtimes look for plugins. Default /opt/cni/bin.
	BinDir string `json:"binDir,omitempty"`
	// Profile is the kind of the primary plugin: eks, azure-transparent, ptp, or
	// auto (default), which goes by the node's devices and rules and by the types
	// in its CNI configuration.
	Profile string `json:"profile,omitempty"`
}

// The directories that container runtimes use unless they are told otherwise.
const (
	defaultConfDir = "/etc/cni/net.d"
	defaultBinDir  = "/opt/cni/bin"
)

// complete fills in the defaults. Manifests says that there is no Kubernetes.
func (c *CNIConfig) complete(manifests bool) {
	if c.Install == nil {
		install := !manifests
		c.Install = &install
	}
	if c.ConfDir == "" {
		c.ConfDir = defaultConfDir
	}
	if c.BinDir == "" {
		c.BinDir = defaultBinDir
	}
	if c.Profile == "" {
		c.Profile = ProfileAuto
	}
}

// chain keeps the chained list while the agent runs.
type chain struct {
	installer *conflist.Installer
	config    CNIConfig
	mu        sync.Mutex // orders retire and the beginning of run
	stop      context.CancelFunc
	ended     chan struct{}
	retired   bool
}

func newChain(a *agent) (*chain, error) {
	installer, err := conflist.New(conflist.Options{
		Dir: a.Config.CNI.ConfDir, File: a.Config.CNI.File, Socket: a.Config.CNISocket, Logger: a.log,
	})
	if err != nil {
		return nil, fmt.Errorf("cni: %w", err)
	}
	return &chain{installer: installer, config: a.Config.CNI, ended: make(chan struct{})}, nil
}

// run installs the program, then keeps the list until ctx ends or retire is called.
func (c *chain) run(ctx context.Context) error {
	c.mu.Lock()
	if c.retired {
		c.mu.Unlock()
		return nil
	}
	ctx, c.stop = context.WithCancel(ctx)
	c.mu.Unlock()
	defer close(c.ended)
	defer c.stop()
	if c.config.Binary != "" {
		if err := conflist.InstallBinary(c.config.Binary, c.config.BinDir); err != nil {
			return err
		}
	}
	return c.installer.Run(ctx)
}

// retire removes the list for good.
func (c *chain) retire() error {
	c.mu.Lock()
	running := c.stop != nil
	c.retired = true
	c.mu.Unlock()
	if running {
		c.stop()
		<-c.ended
	}
	return c.installer.Remove()
}
