package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/tests/cluster/build"
	"github.com/sluice-net/sluice/tests/cluster/conformance"
	"github.com/sluice-net/sluice/tests/cluster/installed"
	"github.com/sluice-net/sluice/tests/cluster/rig"
)

func conformanceCommand() *cobra.Command {
	focus := []string{""}
	nodes := 2
	all := []string{"netpol", "services", "policy-api"}
	c := &cobra.Command{
		Use:   "conformance [netpol] [services] [policy-api]",
		Short: "Run other people's suites against a cluster with Sluice",
		Long: "Brings a cluster with Sluice up, runs the suites (all of them, if none is named), and writes what came out to\n" +
			"bin/conformance.json and tests/cluster/CONFORMANCE.md. Results of cases that are not run again stay. It ends with\n" +
			"an error if a case failed.",
		Example:   "  go run ./tests/cluster conformance\n  go run ./tests/cluster conformance netpol policy-api --focus CIDR",
		ValidArgs: all,
		Args:      cobra.OnlyValidArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = all
			}
			out := cmd.ErrOrStderr()
			cluster, err := installed.Up(cmd.Context(), nodes, out)
			if err != nil {
				return err
			}
			if err := zones(cmd.Context(), cluster); err != nil {
				return errors.Join(err, cluster.Close())
			}
			cases, err := runSuites(cmd.Context(), cluster, cmd, args, focus)
			return errors.Join(err, cluster.Close(), record(cmd, cases))
		},
	}
	c.Flags().StringArrayVar(&focus, "focus", focus, "regular expression of the cases to run, in each suite; given again: more cases, side by side")
	c.Flags().IntVar(&nodes, "nodes", nodes, "number of nodes")
	return c
}

// zones are three, or as many as there are nodes, if those are fewer: labelled as a
// provider's controller does.
func zones(ctx context.Context, cluster *rig.Cluster) error {
	for i, n := range cluster.Nodes {
		if _, err := cluster.Kubectl(ctx, "", "label", "node", n.Name(), fmt.Sprintf("topology.kubernetes.io/zone=zone-%d", i%3+1)); err != nil {
			return err
		}
	}
	return nil
}

// runSuites runs suites side by side, and of Kubernetes' own also what each expression
// matches, as their authors do: most of the time of a case is waiting. Cases of
// network-policy-api share their Pods, and go one after the other.
func runSuites(ctx context.Context, cluster *rig.Cluster, cmd *cobra.Command, suites, focus []string) (all []conformance.Case, err error) {
	out := cmd.ErrOrStderr()
	type result struct {
		cases []conformance.Case
		err   error
	}
	results, running := make(chan result), 0
	run := func(f func() ([]conformance.Case, error)) {
		running++
		go func() {
			cases, err := f()
			results <- result{cases, err}
		}()
	}
	for _, suite := range suites {
		if suite == "policy-api" {
			run(func() ([]conformance.Case, error) {
				return conformance.RunPolicyAPI(ctx, cluster, out, strings.Join(focus, "|"))
			})
			continue
		}
		cases := conformance.NetpolCases()
		if suite == "services" {
			cases = conformance.ServiceCases()
		}
		for _, f := range focus {
			run(func() ([]conformance.Case, error) { return conformance.RunE2E(ctx, cluster, out, cases, f) })
		}
	}
	for range running {
		r := <-results
		all, err = append(all, r.cases...), errors.Join(err, r.err)
	}
	return all, err
}

// record adds cases to those of earlier runs and writes the table.
func record(cmd *cobra.Command, cases []conformance.Case) error {
	repository, err := build.Repository()
	if err != nil {
		return err
	}
	file := filepath.Join(repository, "bin", "conformance.json")
	results, err := conformance.Load(file)
	if err != nil {
		return err
	}
	results.Versions[conformance.Netpol] = "v1.37.2"
	results.Versions[conformance.Services] = "v1.37.2"
	results.Versions[conformance.PolicyAPI] = "v0.2.0"
	results.Add(cases)
	if err := results.Save(file); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(repository, "tests", "cluster", "CONFORMANCE.md"), []byte(preamble+results.Table()), 0o644); err != nil {
		return err
	}
	failed := 0
	for _, c := range cases {
		if c.Outcome == conformance.Failed {
			failed++
			fmt.Fprintf(cmd.OutOrStdout(), "FAILED %s: %s\n", c.Suite, c.Name)
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d cases, %d failed\n", len(cases), failed)
	if failed > 0 {
		return fmt.Errorf("%d of %d cases failed", failed, len(cases))
	}
	return nil
}

const preamble = `# Conformance

Written by ` + "`make conformance`" + `: other people's suites, as they are, against the DaemonSet on a cluster of two nodes (kubelet and containerd,
primary CNI ` + "`ptp`" + `, kube-proxy in nftables mode, Open vSwitch's userspace datapath). Cases that need more nodes were given them
(` + "`--nodes`" + `). Where the kernel has no SCTP, the suites' servers and clients speak it over raw IP (tests/cluster/sctp): the packets are the same.

`
