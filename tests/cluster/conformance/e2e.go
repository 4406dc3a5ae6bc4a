package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tests/cluster/build"
	"github.com/sluice-net/sluice/tests/cluster/rig"
)

// The suites of Kubernetes (test/e2e/network).
const (
	Netpol   = "Kubernetes e2e, Netpol"
	Services = "Kubernetes e2e, Services from Pods"
)

// E2E is cases of Kubernetes' e2e suite.
type E2E struct {
	Suite string // for the table
	Focus string // regular expression of the cases
	Only  string // what is in the names of all of them
}

// NetpolCases are all of Netpol.
func NetpolCases() E2E { return E2E{Suite: Netpol, Focus: "Netpol", Only: "Netpol"} }

// ServiceCases are those of Services in which a Pod is the client of a cluster IP
// or an external IP: what is balanced on the bridge. Node ports and load balancers
// are kube-proxy's.
func ServiceCases() E2E {
	return E2E{Suite: Services, Only: "[sig-network] Services ", Focus: `\[sig-network\] Services should (serve |be updated after adding|have session affinity (timeout )?work for service with type clusterIP` +
		`|be able to switch session affinity for service with type clusterIP|allow pods to hairpin|preserve source pod IP|respect internalTrafficPolicy=Local Pod to Pod` +
		`|be rejected|create endpoints for unready|be able to up and down|work after the service has been|connect to the |support named targetPorts` +
		`|be possible to connect to a service via ExternalIP|implement service.kubernetes.io|(not )?be able to connect to terminating)`}
}

// noSCTP is why cases are left out.
const noSCTP = "the kernel has no SCTP"

// sctpFocus matches the cases that need a kernel with SCTP.
const sctpFocus = `Feature:SCTPConnectivity`

// RunE2E runs the cases of a suite, one after the other.
func RunE2E(ctx context.Context, c *rig.Cluster, progress io.Writer, suite E2E) ([]Case, error) {
	programs, err := build.Programs(ctx, progress, build.E2E, build.Kubectl)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sluice-e2e-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	report := filepath.Join(dir, "report.json")
	args := []string{
		"--provider=skeleton", "--kubectl-path=" + programs[build.Kubectl], "--kubeconfig=" + c.Control.Admin(),
		"--disable-log-dump", "--delete-namespace-on-failure=true", "--ginkgo.no-color",
		"--ginkgo.focus=" + suite.Focus, "--ginkgo.json-report=" + report, "--ginkgo.v",
	}
	sctp := SCTP()
	if !sctp {
		args = append(args, "--ginkgo.skip="+sctpFocus)
	}
	command := c.Command(ctx, programs[build.E2E], args...)
	command.Dir = dir
	command.Stdout = newLines(progress, "• ", "[sig-network]", "[FAILED]")
	// Who is told to stop still writes a report of what he did.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = time.Minute
	runErr := command.Run() // the report says more
	cases, err := parseGinkgo(report, suite, sctp)
	if exit := (*exec.ExitError)(nil); err == nil && len(cases) > 0 && errors.As(runErr, &exit) {
		runErr = nil
	}
	return cases, errors.Join(err, runErr)
}

// ginkgoReport is what is used of a report (onsi/ginkgo v2, types.Report).
type ginkgoReport struct {
	SpecReports []struct {
		ContainerHierarchyTexts []string
		LeafNodeText            string
		LeafNodeType            string
		State                   string
		RunTime                 int64 // nanoseconds
		Failure                 struct{ Message string }
	}
}

func parseGinkgo(file string, suite E2E, sctp bool) ([]Case, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the suite left no report: %w", err)
	}
	var reports []ginkgoReport
	if err := json.Unmarshal(text, &reports); err != nil {
		return nil, fmt.Errorf("the suite's report: %w", err)
	}
	var cases []Case
	for _, report := range reports {
		for _, spec := range report.SpecReports {
			name := strings.Join(append(spec.ContainerHierarchyTexts, spec.LeafNodeText), " ")
			if spec.LeafNodeType != "It" || !strings.Contains(name, suite.Only) {
				continue
			}
			c := Case{Suite: suite.Suite, Name: strings.TrimPrefix(name, "[sig-network] "), Seconds: float64(spec.RunTime) / 1e9, Why: spec.Failure.Message}
			switch spec.State {
			case "interrupted":
				continue // it was told to stop, so it says nothing
			case "passed":
				c.Outcome = Passed
			case "skipped":
				if !strings.Contains(name, sctpFocus) || sctp {
					continue // it was not asked for
				}
				c.Outcome, c.Why = Skipped, noSCTP
			default:
				c.Outcome = Failed
			}
			cases = append(cases, c)
		}
	}
	return cases, nil
}
