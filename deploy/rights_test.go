package deploy

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/sluice-net/sluice/host/agent"
)

// TestRightsAreTheAgents: the roles give what the agent's own table says that it
// needs, no less and no more.
func TestRightsAreTheAgents(t *testing.T) {
	text, err := os.ReadFile("kustomize/base/rbac.yaml")
	if err != nil {
		t.Fatal(err)
	}
	given := map[string][]rbacv1.PolicyRule{}
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		var role rbacv1.ClusterRole
		if err := documents.Decode(&role); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if role.Name == "sluice-agent" {
			given[role.Kind] = append(given[role.Kind], role.Rules...)
		}
	}
	for kind, wanted := range map[string][]rbacv1.PolicyRule{"ClusterRole": agent.Rights(), "Role": agent.NamespaceRights()} {
		if got, want := flat(given[kind]), flat(wanted); !slices.Equal(got, want) {
			t.Errorf("the %s gives\n%v\nthe agent needs\n%v", kind, got, want)
		}
	}
}

// flat lists every single right, sorted, each once.
func flat(rules []rbacv1.PolicyRule) []string {
	var all []string
	for _, r := range rules {
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				for _, verb := range r.Verbs {
					all = append(all, fmt.Sprintf("%s %s.%s", verb, resource, group))
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
