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
	"github.com/sluice-net/sluice/host/policy"
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
policy model about connections. END is namespace/pod or an IP address.

Pods have the addresses of status.podIPs where the manifests give them, else they
get some in the order of namespace/name, the same as in a lab.

Exit codes: 0 allowed (and always with --probe-all), 1 wrong usage or manifests, 2 denied.`,
		Example: `  sluicectl verdict --manifests shop/ --from shop/web --to shop/db --port 5432
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
	set.StringVar(&f.question.To, "to", "", "to whom: namespace/pod or an address")
	set.StringVar(&f.question.Protocol, "protocol", "TCP", "TCP, UDP, SCTP, ICMP or ICMPv6")
	set.Uint16Var(&f.question.Port, "port", 0, "destination port")
	set.BoolVar(&f.probeAll, "probe-all", false, "ask about every ordered pair of Pods and every declared port")
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
	view, err := f.load(ctx, plan, progress)
	if err != nil {
		return err
	}
	if f.probeAll {
		return f.all(view, plan, out)
	}
	return f.one(view, out)
}

func (f *verdictFlags) load(ctx context.Context, plan *lab.Plan, progress io.Writer) (policy.View, error) {
	specs, err := agent.ModuleSpecs(f.moduleConfigs(), embedded.Module)
	if err != nil {
		return policy.View{}, err
	}
	if f.sandbox == "" {
		self, err := os.Executable()
		if err != nil {
			return policy.View{}, err
		}
		f.sandbox = filepath.Join(filepath.Dir(self), "sluice-sandbox")
	}
	view, problems, err := verdict.Load(ctx, verdict.LoadOptions{
		Manifests: f.manifests, Modules: specs, Resources: agent.Watched(ctx, specs), SandboxPath: f.sandbox,
		Place: place(plan), Nodes: nodes(plan), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return policy.View{}, err
	}
	for _, p := range problems {
		_, _ = fmt.Fprintln(progress, "refused:", p)
	}
	return view, nil
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

func (f *verdictFlags) all(view policy.View, plan *lab.Plan, out io.Writer) error {
	var ends []verdict.End
	for _, p := range plan.Pods {
		end := verdict.End{Name: p.Key(), Addresses: p.Addresses}
		for _, port := range p.Ports {
			end.Ports = append(end.Ports, verdict.Port{Protocol: port.Protocol, Number: port.Number})
		}
		ends = append(ends, end)
	}
	for _, text := range f.addresses {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("--address %s: %w", text, err)
		}
		ends = append(ends, verdict.End{Name: text, Addresses: []netip.Addr{a}})
	}
	probes, err := verdict.Matrix(view, ends)
	if err != nil {
		return err
	}
	if f.output == "json" {
		return writeJSON(out, map[string]any{"probes": probes, "nodes": plan.Nodes})
	}
	for _, p := range probes {
		word := "deny"
		if p.Connected {
			word = "allow"
		}
		if _, err := fmt.Fprintf(out, "%-5s  %s -> %s (%s) %s %d\n", word, p.From, p.To, p.Address, p.Protocol, p.Port); err != nil {
			return err
		}
	}
	return nil
}

func (f *verdictFlags) one(view policy.View, out io.Writer) error {
	answer, err := verdict.Ask(view, f.question)
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

func writeAnswer(out io.Writer, a verdict.Answer) error {
	_, err := fmt.Fprintf(out, "%s\n", a.Verdict)
	for _, d := range []struct {
		direction string
		verdict.Decision
	}{{"egress", a.Egress}, {"ingress", a.Ingress}} {
		if err == nil {
			_, err = fmt.Fprintf(out, "  %-8s %-6s %s\n", d.direction, d.Verdict, explain(d.Decision))
		}
	}
	return err
}

// explain says who decided, in one line.
func explain(d verdict.Decision) string {
	if d.Tier == "" {
		return d.Reason
	}
	by := d.By
	if len(d.Isolations) > 1 {
		by = strings.Join(d.Isolations, ", ")
	}
	return fmt.Sprintf("%s: %s (tier %s, module %s)", d.Reason, by, d.Tier, d.Module)
}

func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
