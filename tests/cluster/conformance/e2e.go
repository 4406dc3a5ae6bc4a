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
	"regexp"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tests/cluster/build"
	"github.com/sluice-net/sluice/tests/cluster/rig"
)

// E2E is cases of Kubernetes' e2e suite (test/e2e/network).
type E2E struct {
	Suite   string // for the table
	Cases   string // regular expression of how their names begin
	LeftOut []LeftOut
}

// LeftOut is why some of the cases are not run.
type LeftOut struct {
	Cases *regexp.Regexp
	Why   string
}

// why a case is left out; empty if it is not.
func (e E2E) why(name string) string {
	for _, l := range e.LeftOut {
		if l.Cases.MatchString(name) {
			return l.Why
		}
	}
	return ""
}

// RunE2E runs those cases of a suite in the rest of whose names a regular expression
// finds something (all, if it is empty), one after the other.
func RunE2E(ctx context.Context, c *rig.Cluster, progress io.Writer, suite E2E, focus string) ([]Case, error) {
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
		"--ginkgo.focus=" + suite.Cases + ".*(" + focus + ")", "--ginkgo.json-report=" + report, "--ginkgo.v",
	}
	for _, l := range suite.LeftOut {
		args = append(args, "--ginkgo.skip="+l.Cases.String())
	}
	command := c.Command(ctx, programs[build.E2E], args...)
	command.Dir = dir
	command.Stdout = newLines(progress, "• ", "[sig-network]", "[FAILED]")
	// Who is told to stop still writes a report of what he did.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = time.Minute
	runErr := command.Run() // the report says more
	cases, err := parseGinkgo(report, suite)
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

func parseGinkgo(file string, suite E2E) ([]Case, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the suite left no report: %w", err)
	}
	var reports []ginkgoReport
	if err := json.Unmarshal(text, &reports); err != nil {
		return nil, fmt.Errorf("the suite's report: %w", err)
	}
	mine, err := regexp.Compile(suite.Cases)
	if err != nil {
		return nil, err
	}
	var cases []Case
	for _, report := range reports {
		for _, spec := range report.SpecReports {
			name := strings.Join(append(spec.ContainerHierarchyTexts, spec.LeafNodeText), " ")
			if spec.LeafNodeType != "It" || !mine.MatchString(name) {
				continue
			}
			c := Case{Suite: suite.Suite, Name: strings.TrimPrefix(name, "[sig-network] "), Seconds: float64(spec.RunTime) / 1e9, Why: spec.Failure.Message}
			switch spec.State {
			case "interrupted":
				continue // it was told to stop, so it says nothing
			case "passed":
				c.Outcome = Passed
			case "skipped":
				if c.Why == "" { // not by the case itself
					c.Why = suite.why(name)
				}
				if c.Why == "" {
					continue // it was not asked for
				}
				c.Outcome = Skipped
			default:
				c.Outcome = Failed
			}
			cases = append(cases, c)
		}
	}
	return cases, nil
}
