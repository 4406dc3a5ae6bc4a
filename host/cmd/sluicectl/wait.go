package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sluice-net/sluice/host/inforce"
)

// waitFlags are as kubectl's.
type waitFlags struct {
	kubeconfig, context, namespace, output, what string
	timeout                                      time.Duration
}

func waitCommand() *cobra.Command {
	var f waitFlags
	c := &cobra.Command{
		Use:   "wait KIND/NAME",
		Short: "Wait until a policy, or its deletion, is in force on every node that it concerns",
		Long: "Waits until every node with a Pod that the policy selects has the policy in force, in the version that the\n" +
			"API has now or a later one, or says which node has not, and why. It asks the Kubernetes API.\n" +
			"With --for=delete it waits until the policy is gone and every agent has taken it out of force, which may take\n" +
			"a minute longer if no other policy changes.\n\n" +
			"Exit codes: 0 it is in force everywhere; 1 it could not be found out; 3 the time is over and nodes are\n" +
			"behind; 4 a node refused it, in whole or in part.",
		Example: "  sluicectl wait networkpolicy/web -n shop\n  sluicectl wait clusternetworkpolicy/deny-metadata --timeout 2m -o json\n" +
			"  sluicectl wait networkpolicy/web -n shop --for=delete --timeout 2m",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args[0]) },
	}
	c.Flags().StringVar(&f.kubeconfig, "kubeconfig", "", "file that says how to reach the API server; default as for kubectl")
	c.Flags().StringVar(&f.context, "context", "", "context of that file")
	c.Flags().StringVarP(&f.namespace, "namespace", "n", "", "namespace of the policy; default that of the context")
	c.Flags().StringVar(&f.what, "for", "enforcement", `"enforcement" or "delete"`)
	c.Flags().DurationVar(&f.timeout, "timeout", time.Minute, "how long to wait")
	c.Flags().StringVarP(&f.output, "output", "o", "table", `"table" or "json"`)
	return c
}

func (f waitFlags) run(c *cobra.Command, arg string) error {
	if f.output != "table" && f.output != "json" {
		return fmt.Errorf(`-o %s: choose "table" or "json"`, f.output)
	}
	if f.what != "enforcement" && f.what != "delete" {
		return fmt.Errorf(`--for=%s: choose "enforcement" or "delete"`, f.what)
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	loaded := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: f.context})
	config, err := loaded.ClientConfig()
	if err != nil {
		return err
	}
	if f.namespace == "" {
		if f.namespace, _, err = loaded.Namespace(); err != nil {
			return err
		}
	}
	policy, err := inforce.ParsePolicy(arg, f.namespace)
	if err != nil {
		return err
	}
	config.UserAgent = "sluicectl/" + version
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), f.timeout)
	defer cancel()
	look := inforce.Wait
	if f.what == "delete" {
		look = inforce.WaitGone
	}
	result, err := look(ctx, client, policy, progressOn(c.ErrOrStderr()))
	if err != nil {
		return err
	}
	if f.output == "json" {
		err = writeJSON(c.OutOrStdout(), result)
	} else {
		err = writeWait(c.OutOrStdout(), result)
	}
	if err != nil {
		return err
	}
	return verdictOf(result, f.timeout)
}

// progressOn counts on a terminal; in a pipe it is quiet.
func progressOn(out io.Writer) func(inforce.Result) {
	file, ok := out.(interface{ Fd() uintptr })
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	last := ""
	return func(r inforce.Result) {
		line := fmt.Sprintf("%s: %s on %d of %d nodes", r.Policy, whatOf(r), len(r.Nodes)-len(r.Missing()), len(r.Nodes))
		if line != last {
			fmt.Fprintln(out, line) //nolint:errcheck // nobody reads along
		}
		last = line
	}
}

func whatOf(r inforce.Result) string {
	if r.Deleted {
		return "gone"
	}
	return "in force"
}

func writeWait(out io.Writer, r inforce.Result) error {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) } // Flush reports
	switch {
	case r.Deleted && r.InForce():
		p("%s is gone from %d nodes", r.Policy, len(r.Nodes))
	case len(r.Nodes) == 0:
		p("%s concerns no node now: no Pod that runs is selected; the next one starts with it in force", r.Policy)
	case r.InForce():
		p("%s is in force on %d nodes", r.Policy, len(r.Nodes))
	default:
		p("NODE\tPODS\tSTATE\tREASON")
		for _, n := range r.Missing() {
			p("%s\t%d\t%s\t%s", n.Name, n.Pods, n.State, n.Reason)
		}
	}
	return t.Flush()
}

// notInForce ends the program with a code that says why.
type notInForce struct {
	text string
	code int
}

func (e *notInForce) Error() string { return e.text }
func (e *notInForce) ExitCode() int { return e.code }

func verdictOf(r inforce.Result, waited time.Duration) error {
	behind, refused := 0, 0
	for _, n := range r.Missing() {
		if n.State == inforce.Refused {
			refused++
		} else {
			behind++
		}
	}
	switch {
	case behind > 0 && r.Deleted:
		return &notInForce{fmt.Sprintf("%s is not gone from %d of %d nodes after %v", r.Policy, behind, len(r.Nodes), waited), 3}
	case behind > 0:
		return &notInForce{fmt.Sprintf("%s is not in force on %d of %d nodes after %v", r.Policy, behind+refused, len(r.Nodes), waited), 3}
	case refused > 0:
		return &notInForce{fmt.Sprintf("%s is not in force as it is written on %d of %d nodes", r.Policy, refused, len(r.Nodes)), 4}
	}
	return nil
}
