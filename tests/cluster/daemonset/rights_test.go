package daemonset

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/tests/cluster/installed"
)

// rights fails if the agents asked for something that their role does not allow, or if
// it allows a resource that none of them has looked at.
func rights(w *world) {
	requests, err := w.c.Control.Requests(installed.Namespace + ":sluice-agent")
	if err != nil {
		w.Fatal(err)
	}
	if len(requests) == 0 {
		w.Fatal("the API server has heard of no agent")
	}
	used := map[string]bool{}
	for _, r := range requests {
		if r.Code == http.StatusForbidden || r.Code == http.StatusUnauthorized {
			w.Errorf("%s %s.%s %s was refused: %s", r.Verb, r.Resource, r.Group, r.Name, r.Explanation)
			continue
		}
		used[r.Resource+"."+r.Group] = true
	}
	var role struct {
		Rules []struct{ APIGroups, Resources, Verbs []string }
	}
	if err := json.Unmarshal([]byte(w.kubectl("get", "clusterrole", "sluice-agent", "-o", "json")), &role); err != nil {
		w.Fatal(err)
	}
	served := strings.Fields(w.kubectl("api-resources", "-o", "name"))
	for _, rule := range role.Rules {
		if slices.Contains(rule.Resources, "*") || slices.Contains(rule.Verbs, "*") || slices.Contains(rule.Resources, "secrets") {
			w.Errorf("too much is allowed: %+v", rule)
		}
		for _, resource := range rule.Resources {
			for _, group := range rule.APIGroups {
				if !used[resource+"."+group] && slices.Contains(served, strings.TrimSuffix(resource+"."+group, ".")) {
					w.Errorf("the role allows %v of %s.%s, and no agent has asked for it", rule.Verbs, resource, group)
				}
			}
		}
	}
	w.Logf("%d requests, none refused", len(requests))
}
