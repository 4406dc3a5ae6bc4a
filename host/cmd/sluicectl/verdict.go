package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-net/sluice/host/agent"
	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/host/verdict"
	"github.com/sluice-net/sluice/modules/embedded"
)

// verdictFlags are the flags of `verdict`.
type verdictFlags struct {
	manifests, modules, addresses []string
	question                      verdict.Question
	probeAll                      bool
	output, sandbox               string
}

// denied is the exit code of a connection that policy does not allow, so that
// scripts can tell it from a mistake.
const denied = 2

type deniedError struct{}

func (deniedError) Error() string { return "policy denies this connection" }
func (deniedError) ExitCode() int { return denied }

func verdictCommand() *cobra.Command {
	var f verdictFlags
	c := &cobra.Command{
		Use:   "verdict --manifests PATH... --from END --to END --port N",
		Short: "Say what policy does with a connection, and which policy decides, without sending a packet",
		Long: `Let the policy modules handle some manifests, each in its own sandbox, and ask the
policy model about connections. END is namespace/pod or an IP address; --to may be a
Service as well: svc:namespace/name, with the name or number of a port behind it where
there are several, or an address at which a Service is reached. Every backend is then
judged by itself.

Pods have the addresses of status.podIPs where the manifests give them, else they
get some in the order of namespace/name, the same as in a lab.

Exit codes: 0 allowed (and always with --probe-all), 1 wrong usage or manifests, 2 denied,
to a Service also if nobody answers or if only some of its backends are allowed.`,
		Example: `  sluicectl verdict --manifests shop/ --from shop/web --to shop/db --port 5432
  sluicectl verdict --manifests shop/ --from shop/web --to svc:shop/db:postgres
  sluicectl verdict --manifests shop/ --probe-all -o json`,
		Args: cobra.ArbitraryArgs, // a shell may turn the PATH of --manifests into several words
		RunE: func(c *cobra.Command, more []string) error {
			f.manifests = append(f.manifests, more...)
			return f.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	set := c.Flags()
	set.StringArrayVar(&f.manifests, "manifests", nil, "file or directory of manifests (repeatable; required)")
	set.StringArrayVar(&f.modules, "module", nil, `Wasm file of a policy module (repeatable, asked in this order); "`+lab.BuiltinModule+`" is the built-in one (default: that one alone)`)
	set.StringVar(&f.question.From, "from", "", "who opens the connection: namespace/pod or an address")
	set.StringVar(&f.question.To, "to", "", "to whom: namespace/pod, an address, or svc:namespace/name[:port]")
	set.StringVar(&f.question.Protocol, "protocol", "", "TCP, UDP, SCTP, ICMP or ICMPv6 (default: that of a Service's port, else TCP)")
	set.Uint16Var(&f.question.Port, "port", 0, "destination port")
	set.BoolVar(&f.probeAll, "probe-all", false, "ask about every ordered pair of Pods and every declared port, and from every Pod about every Service")
	set.StringArrayVar(&f.addresses, "address", nil, "with --probe-all: an outside address as a further source (repeatable)")
	set.StringVarP(&f.output, "output", "o", "table", `"table" or "json"`)
	set.StringVar(&f.sandbox, "sandbox", "", "the program sluice-sandbox (default: beside this one)")
	if err := c.MarkFlagRequired("manifests"); err != nil {
		panic(err) // only if the flag above has another name
	}
	return c
}

func (f *verdictFlags) run(ctx context.Context, out, progress io.Writer) error {
	switch {
	case f.output != "table" && f.output != "json":
		return fmt.Errorf(`-o %s: choose "table" or "json"`, f.output)
	case !f.probeAll && (f.question.From == "" || f.question.To == ""):
		return errors.New("name both ends with --from and --to, or ask about all of them with --probe-all")
	}
	objects, err := lab.Load(f.manifests)
	if err != nil {
		return err
	}
	plan, err := lab.NewPlan(objects)
	if err != nil {
		return err
	}
	loaded, err := f.load(ctx, plan, progress)
	if err != nil {
		return err
	}
	if f.probeAll {
		return f.all(loaded, plan, out)
	}
	return f.one(loaded, out)
}

func (f *verdictFlags) load(ctx context.Context, plan *lab.Plan, progress io.Writer) (*verdict.Loaded, error) {
	specs, err := agent.ModuleSpecs(f.moduleConfigs(), embedded.Module)
	if err != nil {
		return nil, err
	}
	if f.sandbox == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		f.sandbox = filepath.Join(filepath.Dir(self), "sluice-sandbox")
	}
	loaded, err := verdict.Load(ctx, verdict.LoadOptions{
		Manifests: f.manifests, Modules: specs, Resources: agent.Watched(ctx, specs), SandboxPath: f.sandbox,
		Place: place(plan), Nodes: nodes(plan), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	for _, p := range loaded.Problems {
		_, _ = fmt.Fprintln(progress, "refused:", p)
	}
	for _, p := range loaded.ServicesFor(f.question.From).Problems() {
		_, _ = fmt.Fprintln(progress, "not served:", p)
	}
	return loaded, nil
}

func (f *verdictFlags) moduleConfigs() []agent.ModuleConfig {
	if len(f.modules) == 0 {
		f.modules = []string{lab.BuiltinModule}
	}
	var configs []agent.ModuleConfig
	for i, m := range f.modules {
		c := agent.ModuleConfig{Name: strings.TrimSuffix(filepath.Base(m), filepath.Ext(m)), Order: i}
		if m == lab.BuiltinModule {
			c.Source.Builtin = m
		} else {
			c.Source.File = m
		}
		configs = append(configs, c)
	}
	return configs
}

// place gives Pods the nodes and addresses of a plan.
func place(plan *lab.Plan) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		for _, p := range plan.Pods {
			if p.Namespace != pod.Namespace || p.Name != pod.Name {
				continue
			}
			pod.Spec.NodeName = p.Node
			pod.Status.PodIPs = nil
			for _, a := range p.Addresses {
				pod.Status.PodIPs = append(pod.Status.PodIPs, corev1.PodIP{IP: a.String()})
			}
		}
	}
}

func nodes(plan *lab.Plan) []inventory.Node {
	var out []inventory.Node
	for _, n := range plan.Nodes {
		out = append(out, inventory.Node{Name: n.Name, Addresses: n.Addresses})
	}
	return out
}

func (f *verdictFlags) all(loaded *verdict.Loaded, plan *lab.Plan, out io.Writer) error {
	var ends, services []verdict.End
	for _, p := range plan.Pods {
		ends = append(ends, verdict.End{Name: p.Key(), Addresses: p.Addresses, Ports: ports(p.Ports)})
	}
	for _, s := range plan.Services {
		services = append(services, verdict.End{Name: s.Key(), Addresses: s.Addresses, Ports: ports(s.Ports)})
	}
	for _, text := range f.addresses {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("--address %s: %w", text, err)
		}
		ends = append(ends, verdict.End{Name: text, Addresses: []netip.Addr{a}})
	}
	probes, err := verdict.Matrix(verdict.MatrixOptions{View: loaded.View, Ends: ends, Services: services, On: loaded.Services})
	if err != nil {
		return err
	}
	if f.output == "json" {
		return writeJSON(out, map[string]any{"probes": probes, "nodes": plan.Nodes})
	}
	for _, p := range probes {
		word := "deny"
		switch {
		case p.Connected:
			word = "allow"
		case p.Partly:
			word = "some"
		}
		if _, err := fmt.Fprintf(out, "%-5s  %s -> %s (%s) %s %d\n", word, p.From, p.To, p.Address, p.Protocol, p.Port); err != nil {
			return err
		}
	}
	return nil
}

func ports(planned []lab.Port) []verdict.Port {
	var out []verdict.Port
	for _, p := range planned {
		out = append(out, verdict.Port{Protocol: p.Protocol, Number: p.Number})
	}
	return out
}

func (f *verdictFlags) one(loaded *verdict.Loaded, out io.Writer) error {
	routes, err := verdict.Routes(loaded.ServicesFor(f.question.From), f.question)
	if err != nil {
		return err
	}
	answer, err := verdict.Ask(loaded.View, f.question, routes)
	if err != nil {
		return err
	}
	if f.output == "json" {
		err = writeJSON(out, answer)
	} else {
		err = writeAnswer(out, answer)
	}
	if err == nil && answer.Verdict != "allow" {
		return deniedError{}
	}
	return err
}

func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
