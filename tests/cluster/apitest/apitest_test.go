package apitest

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tests/cluster/build"
)

// kubectl runs it as the user of a kubeconfig.
func kubectl(ctx context.Context, t *testing.T, kubeconfig, input string, args ...string) (string, error) {
	t.Helper()
	programs, err := build.Programs(ctx, t.Output(), build.Kubectl)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(ctx, programs[build.Kubectl], append([]string{"--kubeconfig", kubeconfig}, args...)...)
	command.Stdin = strings.NewReader(input)
	out, err := command.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = errors.New(string(exit.Stderr))
	}
	return string(out), err
}

const policy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: default}
spec:
  podSelector: {}
  ingress: [{ports: [{port: 80}]}]
`

// The API is a real one: it completes and refuses objects as Kubernetes does, RBAC
// holds, and its objects outlive it.
func TestAPI(t *testing.T) {
	api := Start(t)
	ctx := t.Context()
	if _, err := kubectl(ctx, t, api.Admin(), policy, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	if _, err := kubectl(ctx, t, api.Admin(), strings.Replace(policy, "port: 80", "port: 80, endPort: 8", 1), "apply", "-f", "-"); err == nil || !strings.Contains(err.Error(), "endPort") {
		t.Errorf("a policy whose ports end before they begin: %v", err)
	}

	guest, err := api.Kubeconfig("guest")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kubectl(ctx, t, guest, "", "get", "networkpolicies"); err == nil || !strings.Contains(err.Error(), `User "guest" cannot list resource`) {
		t.Errorf("a user without rights lists policies: %v", err)
	}

	if err := api.StopAPI(); err != nil {
		t.Fatal(err)
	}
	if _, err := kubectl(ctx, t, api.Admin(), "", "get", "networkpolicies"); err == nil {
		t.Error("the API answers although it was stopped")
	}
	if err := api.StartAPI(ctx); err != nil {
		t.Fatal(err)
	}
	if err := api.SuspendAPI(); err != nil {
		t.Fatal(err)
	}
	hung, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	if _, err := kubectl(hung, t, api.Admin(), "", "get", "networkpolicies"); err == nil {
		t.Error("the API answers although it was suspended")
	}
	cancel()
	if err := api.ResumeAPI(); err != nil {
		t.Fatal(err)
	}
	out, err := kubectl(ctx, t, api.Admin(), "", "get", "networkpolicy", "web", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Spec struct {
			PolicyTypes []string `json:"policyTypes"`
			Ingress     []struct {
				Ports []struct{ Protocol string }
			} `json:"ingress"`
		} `json:"spec"`
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Spec.PolicyTypes) != 1 || got.Spec.PolicyTypes[0] != "Ingress" || got.Spec.Ingress[0].Ports[0].Protocol != "TCP" {
		t.Errorf("the policy is %s", out)
	}
}
