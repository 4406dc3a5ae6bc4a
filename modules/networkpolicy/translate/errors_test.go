package translate

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/sdk/go/kube"
)

type wrong struct {
	spec string
	want string
}

func checkErrors(t *testing.T, cases []wrong) {
	t.Helper()
	for _, c := range cases {
		requests, err := Policy("shop", "p", object(t, c.spec))
		var field *kube.FieldError
		if !errors.As(err, &field) || err.Error() != c.want {
			t.Errorf("spec: %s\ngot:  %v\nwant: %s", c.spec, err, c.want)
		}
		if requests != nil {
			t.Errorf("spec: %s: an error and requests as well", c.spec)
		}
	}
}

func TestErrorsNameTheField(t *testing.T) {
	checkErrors(t, []wrong{
		{`[]`, "spec: found an array where an object should be"},
		{`{podSelector: {matchLabels: {"a b": c}}}`, `spec.podSelector.matchLabels.a b: "a b" is no label key: at most 63 of A-Z a-z 0-9 - _ . are allowed, with a letter or digit at both ends`},
		{`{podSelector: {matchLabels: {a: 7}}}`, "spec.podSelector.matchLabels.a: found a number where a string should be"},
		{`{podSelector: {matchLabels: {a: -b}}}`, `spec.podSelector.matchLabels.a: "-b" is no label value: at most 63 of A-Z a-z 0-9 - _ . are allowed, with a letter or digit at both ends`},
		{`{podSelector: {matchExpressions: [{key: a, operator: Is, values: [b]}]}}`, `spec.podSelector.matchExpressions[0].operator: "Is" is none of In, NotIn, Exists, DoesNotExist`},
		{`{podSelector: {matchExpressions: [{key: a, operator: In}]}}`, "spec.podSelector.matchExpressions[0].values: must be given for In and NotIn, and only for them"},
		{`{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}`, "spec.podSelector.matchExpressions[0].values: must be given for In and NotIn, and only for them"},
		{`{podSelector: {matchExpressions: [{operator: Exists}]}}`, "spec.podSelector.matchExpressions[0].key: is required"},
		{`{podSelector: {matchExpressions: [{key: a, operator: In, values: [b, "c d"]}]}}`, `spec.podSelector.matchExpressions[0].values[1]: "c d" is no label value: at most 63 of A-Z a-z 0-9 - _ . are allowed, with a letter or digit at both ends`},
		{`{podSelector: {matchExpressions: [{}]}}`, "spec.podSelector.matchExpressions[0].key: is required"},
		{`{policyTypes: [Ingress, ingress]}`, `spec.policyTypes[1]: is neither "Ingress" nor "Egress"`},
		{`{policyTypes: [Ingress, Egress, Ingress]}`, "spec.policyTypes: has more than two entries"},
		// What is wrong in a section that does not count is wrong all the same.
		{`{policyTypes: [Ingress], egress: [{to: [{}]}]}`, "spec.egress[0].to[0]: sets none of podSelector, namespaceSelector and ipBlock, so it selects nobody"},
	})
}

func TestErrorsAboutTheWholeObject(t *testing.T) {
	for json, want := range map[string]string{
		``:                  "is no JSON object",
		`null`:              "is no JSON object",
		`[]`:                "is no JSON object",
		`{"spec":{}} x`:     "text goes on after the value",
		`{"spec":{}`:        "text ends where ',' or '}' should be",
		`{"spec":{"a":[1,]`: "found ']' where a value should be",
	} {
		if _, err := Policy("shop", "p", []byte(json)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", json, err, want)
		}
	}
	for namespace, want := range map[string]string{
		"":    "metadata.namespace: is required",
		"[x]": `metadata.namespace: "[x]" is no name of a namespace: at most 63 of a-z 0-9 - are allowed, no hyphen at an end`,
		"a.b": `metadata.namespace: "a.b" is no name of a namespace: at most 63 of a-z 0-9 - are allowed, no hyphen at an end`,
	} {
		if _, err := Policy(namespace, "p", []byte(`{}`)); err == nil || err.Error() != want {
			t.Errorf("namespace %q: got %v, want %s", namespace, err, want)
		}
	}
}
