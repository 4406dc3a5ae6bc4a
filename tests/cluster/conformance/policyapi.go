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

// RunPolicyAPI runs the tests whose names a regular expression matches, those of
// experimental features as well. The kind ClusterNetworkPolicy, of the module's
// experimental channel, is made known first.
func RunPolicyAPI(ctx context.Context, c *rig.Cluster, progress io.Writer, focus string) ([]Case, error) {
	programs, err := build.Programs(ctx, progress, build.PolicyAPI)
	if err != nil {
		return nil, err
	}
	dir, err := build.PolicyAPIDir(ctx)
	if err != nil {
		return nil, err
	}
	crd := filepath.Join(dir, "config", "crd", "experimental", "policy.networking.k8s.io_clusternetworkpolicies.yaml")
	if _, err := c.Kubectl(ctx, "", "apply", "--server-side", "-f", crd); err != nil {
		return nil, err
	}
	if _, err := c.Kubectl(ctx, "", "wait", "--for=condition=Established", "crd/clusternetworkpolicies.policy.networking.k8s.io", "--timeout=30s"); err != nil {
		return nil, err
	}
	// In this form results come when they are there, and say whose they are.
	command := c.Command(ctx, programs[build.PolicyAPI], "-test.v=test2json", "-test.timeout=2h", "-test.run=TestConformance$/("+focus+")", "-all-features")
	command.Dir = filepath.Join(dir, "conformance")
	var output bytes.Buffer
	command.Stdout = io.MultiWriter(&output, newLines(progress, "\x16--- "))
	command.Stderr = command.Stdout
	runErr := command.Run()
	cases, err := parseGo(&output)
	if exit := (*exec.ExitError)(nil); err == nil && len(cases) > 0 && errors.As(runErr, &exit) {
		runErr = nil // the cases say which
	}
	return cases, errors.Join(err, runErr)
}

// What a test binary writes with -test.v=test2json: whose turn it is, what it logs, and
// how it ended. At most one level below the test is told apart.
var (
	goTurn   = regexp.MustCompile(`^\x16=== (?:RUN|NAME|CONT) +(\S+)$`)
	goLog    = regexp.MustCompile(`^ +\w+\.go:\d+: (.*)$`)
	goResult = regexp.MustCompile(`^\x16--- (PASS|FAIL|SKIP): (TestConformance/([^/ ]+)(?:/([^/ ]+))?) \(([0-9.]+)s\)$`)
)

// parseGo reads the output of a test binary. A test with subtests is told by those.
func parseGo(output io.Reader) ([]Case, error) {
	outcomes := map[string]Outcome{"PASS": Passed, "FAIL": Failed, "SKIP": Skipped}
	var cases []Case
	logged, told := map[string][]string{}, map[string]bool{}
	turn := ""
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if m := goTurn.FindStringSubmatch(lines.Text()); m != nil {
			turn = m[1]
		} else if m := goLog.FindStringSubmatch(lines.Text()); m != nil && strings.TrimSpace(m[1]) != "" {
			logged[turn] = append(logged[turn], m[1])
		}
		m := goResult.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		test := m[3]
		c := Case{Suite: PolicyAPI, Name: test, Outcome: outcomes[m[1]]}
		if m[4] != "" {
			told[test] = true
			c.Name = test + ": " + strings.ReplaceAll(m[4], "_", " ")
		} else if told[test] {
			continue
		}
		if c.Outcome != Passed { // the last two say what was tried, and what came of it
			c.Why = strings.Join(last(logged[m[2]], 2), ": ")
		}
		if c.Outcome == Failed && understood.MatchString(c.Name) {
			c.Why = pairOfPods + "; " + c.Why
		}
		c.Seconds, _ = strconv.ParseFloat(m[5], 64) // the expression has matched a number
		cases = append(cases, c)
	}
	return cases, lines.Err()
}

// understood are failures of which pairOfPods may be why: the test before has opened
// associations in the other direction.
var understood = regexp.MustCompile(`TierIngressSCTP: .*deny-ingress`)

func last(of []string, n int) []string { return of[max(0, len(of)-n):] }
