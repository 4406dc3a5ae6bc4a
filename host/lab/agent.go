package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
	"sigs.k8s.io/yaml"
)

// Agent is the sluice-agent of one node. Its process may be killed and started
// again at will.
type Agent struct {
	node    string
	dir     string
	ns      *namespace
	program string
	logger  *slog.Logger
	process *process
}

// agentConfig is the agent's configuration file.
type agentConfig struct {
	NodeName  string `json:"nodeName"`
	Manifests string `json:"manifests"`
	OVS       struct {
		Database string `json:"database"`
		RunDir   string `json:"runDir"`
		Bridge   string `json:"bridge"`
		Gateway  string `json:"gateway"`
		Datapath string `json:"datapath"`
	} `json:"ovs"`
	CNISocket   string `json:"cniSocket"`
	AdminSocket string `json:"adminSocket"`
	Sandbox     struct {
		Path               string `json:"path"`
		LoadTimeoutSeconds int    `json:"loadTimeoutSeconds"`
		RecordingDir       string `json:"recordingDir"`
	} `json:"sandbox"`
	Services struct {
		Enabled bool `json:"enabled"`
	} `json:"services"`
	Limits  map[string]int `json:"limits,omitempty"`
	Modules []moduleConfig `json:"modules"`
	DNS     struct {
		Servers      []string `json:"servers,omitempty"`
		GraceSeconds int      `json:"graceSeconds,omitempty"`
	} `json:"dns"`
}

type moduleConfig struct {
	Name   string       `json:"name"`
	Source moduleSource `json:"source"`
	Order  int          `json:"order"`
	ModuleSettings
}

// moduleSource is either the name of a module that the agent carries in
// itself, or a file.
type moduleSource struct {
	Builtin string `json:"builtin,omitempty"`
	File    string `json:"file,omitempty"`
}

// newAgent writes the configuration of a node's agent; Start starts it.
func newAgent(l *Lab, n *node) (*Agent, error) {
	a := &Agent{
		node:    n.plan.Name,
		dir:     n.dir,
		ns:      n.ns,
		program: l.options.Binaries.Agent,
		logger:  l.logger.With("node", n.plan.Name),
	}
	var config agentConfig
	config.NodeName = n.plan.Name
	config.Manifests = l.manifestDir()
	config.OVS.Database = n.ovs.Database()
	config.OVS.RunDir = n.ovs.Dir()
	config.OVS.Bridge = bridgeName
	config.OVS.Gateway = gatewayName
	config.OVS.Datapath = l.datapath
	config.CNISocket = a.CNISocket()
	config.AdminSocket = a.AdminSocket()
	config.Sandbox.Path = l.options.Binaries.Sandbox
	config.Sandbox.RecordingDir = filepath.Join(l.dir, "recordings")
	config.Sandbox.LoadTimeoutSeconds = int(patience.Seconds()) // for emulated machines
	config.Services.Enabled = !l.options.WithoutServices
	config.Limits = l.options.Limits
	config.Modules = l.modules
	config.DNS.Servers, config.DNS.GraceSeconds = l.options.NameServers, l.options.NameGrace
	content, err := yaml.Marshal(config)
	if err != nil {
		return nil, err
	}
	return a, writeFile(a.ConfigFile(), content)
}

// ConfigFile is the agent's configuration.
func (a *Agent) ConfigFile() string { return filepath.Join(a.dir, "agent.yaml") }

// AdminSocket is where the agent's admin API listens.
func (a *Agent) AdminSocket() string { return filepath.Join(a.dir, "admin.sock") }

// CNISocket is where the agent takes CNI requests.
func (a *Agent) CNISocket() string { return filepath.Join(a.dir, "cni.sock") }

// LogFile is what the agent wrote, over all of its lives.
func (a *Agent) LogFile() string { return filepath.Join(a.dir, "agent.log") }

// PID is the process id of the agent that was started last.
func (a *Agent) PID() int { return a.process.pid }

// Start starts the agent, unless it runs, and waits until it answers on both
// of its sockets.
func (a *Agent) Start(ctx context.Context) error {
	if a.process == nil || !a.process.runs() {
		// What a killed agent left must not be taken for the new one's.
		err := os.Remove(a.CNISocket())
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		command := exec.CommandContext(context.WithoutCancel(ctx), a.program, "--config", a.ConfigFile())
		a.process, err = a.ns.start("sluice-agent of node "+a.node, a.LogFile(), command, a.logger)
		if err != nil {
			return err
		}
	}
	err := a.process.until(ctx, "its admin API", func() error {
		_, err := a.Status(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return a.process.until(ctx, "its CNI socket", func() error {
		_, err := os.Stat(a.CNISocket())
		return err
	})
}

// Kill ends the agent and its sandboxes with SIGKILL.
func (a *Agent) Kill() error { return a.process.kill() }

// Stop asks the agent to end (SIGTERM) and waits for it.
func (a *Agent) Stop(ctx context.Context) error {
	if err := a.process.signal(unix.SIGTERM); err != nil {
		return err
	}
	select {
	case <-a.process.done:
		return a.process.err
	case <-ctx.Done():
		return fmt.Errorf("agent of node %s (pid %d) did not end after SIGTERM: %w", a.node, a.process.pid, ctx.Err())
	}
}

// Restart kills the agent and starts it again.
func (a *Agent) Restart(ctx context.Context) error {
	if err := a.Kill(); err != nil {
		return err
	}
	return a.Start(ctx)
}

// waitRealised waits until the flows are those of the revision. A module that
// cannot be loaded ends the waiting: it will not get better by itself.
func (a *Agent) waitRealised(ctx context.Context, revision string) error {
	return a.process.until(ctx, "the manifests to be realised", func() error {
		status, err := a.Status(ctx)
		if err != nil {
			return err
		}
		var failures []error
		for _, module := range status.Modules {
			if module.State == moduleFailed {
				return hopeless{fmt.Errorf("node %s: %s", a.node, module)}
			}
			if module.LastError != "" {
				failures = append(failures, errors.New(module.String()))
			}
		}
		if status.RealisedRevision == revision {
			return nil
		}
		if status.LastError != "" {
			failures = append(failures, errors.New(status.LastError))
		}
		return errors.Join(append([]error{fmt.Errorf("read %.12q, realised %.12q, wanted %.12q",
			status.SourceRevision, status.RealisedRevision, revision)}, failures...)...)
	})
}
