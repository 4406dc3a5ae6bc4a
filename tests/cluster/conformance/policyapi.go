package conformance

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/tests/cluster/build"
	"github.com/sluice-net/sluice/tests/cluster/rig"
)

// PolicyAPI is the suite of sigs.k8s.io/network-policy-api.
const PolicyAPI = "network-policy-api conformance"

// RunPolicyAPI runs the tests whose names a regular expression matches. The kind
// ClusterNetworkPolicy, of the module's standard channel, is made known first.
func RunPolicyAPI(ctx context.Context, c *rig.Cluster, progress io.Writer, focus string) ([]Case, error) {
	programs, err := build.Programs(ctx, progress, build.PolicyAPI)
	if err != nil {
		return nil, err
	}
	dir, err := build.PolicyAPIDir(ctx)
	if err != nil {
		return nil, err
	}
	crd := filepath.Join(dir, "config", "crd", "standard", "policy.networking.k8s.io_clusternetworkpolicies.yaml")
	if _, err := c.Kubectl(ctx, "", "apply", "-f", crd); err != nil {
		return nil, err
	}
	if _, err := c.Kubectl(ctx, "", "wait", "--for=condition=Established", "crd/clusternetworkpolicies.policy.networking.k8s.io", "--timeout=30s"); err != nil {
		return nil, err
	}
	args := []string{"-test.v", "-test.run", "TestConformance$/" + focus}
	skipped := []Case(nil)
	if !SCTP() {
		args = append(args, "-test.skip", "TestConformance$/SCTP")
		skipped = []Case{{Suite: PolicyAPI, Name: "tests with SCTP in their names", Outcome: Skipped, Why: noSCTP}}
	}
	command := c.Command(ctx, programs[build.PolicyAPI], args...)
	command.Dir = filepath.Join(dir, "conformance")
	var output bytes.Buffer
	command.Stdout = io.MultiWriter(&output, newLines(progress, "    --- "))
	command.Stderr = command.Stdout
	runErr := command.Run()
	cases, err := parseGo(&output)
	if exit := (*exec.ExitError)(nil); err == nil && len(cases) > 0 && errors.As(runErr, &exit) {
		runErr = nil // the cases say which
	}
	return append(cases, skipped...), errors.Join(err, runErr)
}

// goResult is a line of `go test -v`: at most one level below the test is told apart.
var goResult = regexp.MustCompile(`^ +--- (PASS|FAIL|SKIP): TestConformance/([^/ ]+)(?:/([^/ ]+))? \(([0-9.]+)s\)$`)

// parseGo reads the output of a test binary. A test with subtests is told by those.
func parseGo(output io.Reader) ([]Case, error) {
	outcomes := map[string]Outcome{"PASS": Passed, "FAIL": Failed, "SKIP": Skipped}
	var cases []Case
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m := goResult.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		test := m[2]
		c := Case{Suite: PolicyAPI, Name: test, Outcome: outcomes[m[1]]}
		if m[3] != "" {
			c.Name = test + ": " + strings.ReplaceAll(m[3], "_", " ")
			if last := len(cases) - 1; last >= 0 && cases[last].Name == test {
				cases = cases[:last]
			}
		}
		c.Seconds, _ = strconv.ParseFloat(m[4], 64) // the expression has matched a number
		cases = append(cases, c)
	}
	return cases, lines.Err()
}
