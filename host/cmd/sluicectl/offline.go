package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/host/artifact"
	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/verdict"
)

// offline runs modules over manifests, in their real sandboxes and without a
// switch.
type offline struct {
	registry  registryFlags
	manifests []string
	config    string // a file
	sandbox   string
	logs      bool
}

func (o *offline) addManifests(c *cobra.Command) {
	c.Flags().StringArrayVar(&o.manifests, "manifests", nil, "file or directory of manifests (repeatable)")
}

func (o *offline) add(c *cobra.Command) {
	o.registry.add(c)
	c.Flags().StringVar(&o.config, "config", "", "a file, JSON or YAML, with the module's configuration")
	c.Flags().StringVar(&o.sandbox, "sandbox", "", "the program sluice-sandbox (default: beside this one)")
	c.Flags().BoolVar(&o.logs, "logs", false, "show what the modules log")
}

// ran is what modules came to.
type ran struct {
	loaded  *verdict.Loaded
	plan    *lab.Plan
	reports []Report
}

// Report is what a module tells the author of an object.
type Report struct {
	Module  string `json:"module"`
	Object  string `json:"object"`
	Type    string `json:"type"`
	Status  bool   `json:"status"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// get gets a module, to run under this name in this place.
func (o *offline) get(ctx context.Context, text string, order int) (plugin.Spec, error) {
	m, err := o.registry.get(ctx, text, artifact.Options{})
	if err != nil {
		return plugin.Spec{}, err
	}
	return o.spec(m.name, m.wasm, order)
}

func (o *offline) spec(name string, wasm []byte, order int) (plugin.Spec, error) {
	spec := plugin.Spec{Name: name, Wasm: wasm, Order: order, Grant: everything()}
	if o.config == "" {
		return spec, nil
	}
	text, err := os.ReadFile(o.config)
	if err != nil {
		return spec, err
	}
	if spec.Config, err = yaml.YAMLToJSON(text); err != nil {
		return spec, fmt.Errorf("--config %s: %w", o.config, err)
	}
	return spec, nil
}

// everything is granted where nothing is at stake.
func everything() plugin.Grant {
	return plugin.Grant{
		Resources: []string{"*"},
		Tiers:     []string{"admin", "network", "baseline"},
		Actions:   []string{"allow", "deny", "reject", "pass"},
	}
}

// run has modules handle the manifests.
func (o *offline) run(ctx context.Context, specs []plugin.Spec, progress io.Writer) (ran, error) {
	r := ran{reports: []Report{}}
	if len(o.manifests) == 0 {
		return r, errors.New("name some manifests with --manifests")
	}
	objects, err := lab.Load(o.manifests)
	if err != nil {
		return r, err
	}
	if r.plan, err = lab.NewPlan(objects); err != nil {
		return r, err
	}
	program, err := sandboxProgram(o.sandbox)
	if err != nil {
		return r, err
	}
	log := slog.New(slog.DiscardHandler)
	if o.logs {
		log = slog.New(slog.NewTextHandler(progress, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	var mu sync.Mutex // each module commits by itself
	r.loaded, err = verdict.Load(ctx, verdict.LoadOptions{
		Manifests: o.manifests, Modules: specs, Resources: agent.Watched(ctx, specs), SandboxPath: program,
		Place: place(r.plan), Nodes: nodes(r.plan), Logger: log,
		Reports: func(module string, report abi.Report) {
			mu.Lock()
			defer mu.Unlock()
			r.reports = append(r.reports, reportOf(module, report))
		},
	})
	if err != nil {
		return r, err
	}
	for _, p := range r.loaded.Problems {
		_, _ = fmt.Fprintln(progress, "refused:", p)
	}
	return r, nil
}

// matrix asks about connections between ends, and from Pods to Services.
func (r ran) matrix(ends []verdict.End) ([]verdict.Probe, error) {
	var services []verdict.End
	for _, s := range r.plan.Services {
		services = append(services, verdict.End{Name: s.Key(), Addresses: s.Addresses, Ports: ports(s.Ports)})
	}
	return verdict.Matrix(verdict.MatrixOptions{View: r.loaded.View, Ends: ends, Services: services, On: r.loaded.Services})
}

func reportOf(module string, r abi.Report) Report {
	object := r.Object.Resource + " " + r.Object.Name
	if r.Object.Namespace != "" {
		object = r.Object.Resource + " " + r.Object.Namespace + "/" + r.Object.Name
	}
	return Report{module, object, r.Condition.Type, r.Condition.True, r.Condition.Reason, r.Condition.Message}
}

func sandboxProgram(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(self), "sluice-sandbox"), nil
}

// writeYAML writes what has JSON tags as YAML.
func writeYAML(out io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if text, err = yaml.JSONToYAML(text); err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// codedError is an error with an exit code that scripts can tell from others.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }
func (e *codedError) ExitCode() int { return e.code }
