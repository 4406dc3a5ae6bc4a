package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-net/sluice/host/inventory"
	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/verdict"
)

// verdictFlags are the flags of `verdict`.
type verdictFlags struct {
	offline
	modules, addresses []string
	question           verdict.Question
	probeAll           bool
	output             string
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
	f.addManifests(c)
	f.add(c)
	set.StringArrayVar(&f.modules, "module", nil, `a policy module: a Wasm file, a built-in one or one in a registry (repeatable, asked in this order; default: `+lab.BuiltinModule+`)`)
	set.StringVar(&f.question.From, "from", "", "who opens the connection: namespace/pod or an address")
	set.StringVar(&f.question.To, "to", "", "to whom: namespace/pod, an address, or svc:namespace/name[:port]")
	set.StringVar(&f.question.Protocol, "protocol", "", "TCP, UDP, SCTP, ICMP or ICMPv6 (default: that of a Service's port, else TCP)")
	set.Uint16Var(&f.question.Port, "port", 0, "destination port")
	set.BoolVar(&f.probeAll, "probe-all", false, "ask about every ordered pair of Pods and every declared port, and from every Pod about every Service")
	set.StringArrayVar(&f.addresses, "address", nil, "with --probe-all: an outside address as a further source (repeatable)")
	set.StringVarP(&f.output, "output", "o", "table", `"table" or "json"`)
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
	r, err := f.load(ctx, progress)
	if err != nil {
		return err
	}
	if f.probeAll {
		return f.all(r, out)
	}
	return f.one(r.loaded, out)
}

func (f *verdictFlags) load(ctx context.Context, progress io.Writer) (ran, error) {
	if len(f.modules) == 0 {
		f.modules = []string{lab.BuiltinModule}
	}
	var specs []plugin.Spec
	for i, text := range f.modules {
		spec, err := f.get(ctx, text, i)
		if err != nil {
			return ran{}, err
		}
		specs = append(specs, spec)
	}
	r, err := f.offline.run(ctx, specs, progress)
	if err != nil {
		return r, err
	}
	for _, p := range r.loaded.ServicesFor(f.question.From).Problems() {
		_, _ = fmt.Fprintln(progress, "not served:", p)
	}
	return r, nil
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

func (f *verdictFlags) all(r ran, out io.Writer) error {
	ends := podsOf(r.plan)
	for _, text := range f.addresses {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("--address %s: %w", text, err)
		}
		ends = append(ends, verdict.End{Name: text, Addresses: []netip.Addr{a}})
	}
	probes, err := r.matrix(ends)
	if err != nil {
		return err
	}
	if f.output == "json" {
		return writeJSON(out, map[string]any{"probes": probes, "nodes": r.plan.Nodes})
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
