package testkit_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
	"github.com/sluice-net/sluice/sdk/testkit"
	"github.com/sluice-net/sluice/sdk/toolchain"
	"github.com/sluice-net/sluice/tests/modules"
)

func sandboxProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "sluice-sandbox")
	build := exec.Command("go", "build", "-o", program, "github.com/sluice-net/sluice/host/cmd/sluice-sandbox")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

func object(resource, namespace, name, rest string) *abi.ObjectPut {
	text := `{"metadata":{"name":"` + name + `","namespace":"` + namespace + `"},` + rest + `}`
	return &abi.ObjectPut{Resource: resource, Namespace: namespace, Name: name, UID: name, Generation: 1, JSON: []byte(text)}
}

// objects that the modules of this repository watch.
func objects() map[string][]*abi.ObjectPut {
	const (
		policies        = "networkpolicies.networking.k8s.io"
		clusterPolicies = "clusternetworkpolicies.policy.networking.k8s.io"
		names           = "fqdnpolicies.policy.sluice.dev"
		windows         = "timewindows.policy.sluice.dev"
		threats         = "threatlists.policy.sluice.dev"
	)
	return map[string][]*abi.ObjectPut{
		"networkpolicy": {
			object(policies, "shop", "db", `"spec":{"podSelector":{"matchLabels":{"app":"db"}},"ingress":[{"from":[{"podSelector":{}}],"ports":[{"port":5432}]}]}`),
			object(policies, "shop", "web", `"spec":{"podSelector":{},"policyTypes":["Egress"],"egress":[{"to":[{"ipBlock":{"cidr":"10.0.0.0/8"}}]}]}`),
		},
		"clusternetworkpolicy": {
			object(clusterPolicies, "", "admin", `"spec":{"tier":"Admin","priority":10,"subject":{"namespaces":{}},"ingress":[{"name":"monitoring","action":"Accept","from":[{"namespaces":{"matchLabels":{"team":"ops"}}}]},{"action":"Pass","from":[{"pods":{"namespaceSelector":{},"podSelector":{"matchLabels":{"app":"a"}}}}],"protocols":[{"tcp":{"destinationPort":{"range":{"start":80,"end":90}}}}]}]}`),
			object(clusterPolicies, "", "baseline", `"spec":{"tier":"Baseline","priority":20,"subject":{"pods":{"namespaceSelector":{"matchLabels":{"a":"b"}},"podSelector":{}}},"egress":[{"action":"Deny","to":[{"networks":["10.0.0.0/8","2001:db8::/32"]}]}]}`),
		},
		"fqdn": { // the answers of name servers are the kit's
			object(names, "shop", "wild", `"spec":{"podSelector":{"matchLabels":{"app":"web"}},"egress":[{"names":["*.example.com"],"ports":[{"port":443}]}]}`),
			object(names, "shop", "one", `"spec":{"podSelector":{},"egress":[{"names":["n1.example.com","n2.example.com"]},{"names":["never.asked.test"],"ports":[{"protocol":"UDP","port":53,"endPort":54}]}]}`),
		},
		"timewindow": {
			object(windows, "shop", "day", `"spec":{"action":"Deny","windows":[{"from":"06:00","to":"18:00"}]}`),
			object(windows, "shop", "night", `"spec":{"action":"Allow","cidrs":["192.0.2.0/24"],"windows":[{"from":"18:00","to":"06:00","utcOffset":"+02:00"}]}`),
		},
		"threatlist": {
			object(threats, "", "a", `"spec":{"cidrs":["192.0.2.0/24","10.0.0.1"]}`),
			object(threats, "", "b", `"spec":{"cidrs":["192.0.2.0/24","2001:db8::/32","wrong"]}`),
		},
	}
}

// TestModules: what this repository ships keeps to the ABI, in every language.
func TestModules(t *testing.T) {
	program := sandboxProgram(t)
	manifests, err := filepath.Glob("../../modules/*/manifest.json")
	if err != nil || len(manifests) == 0 {
		t.Fatalf("no modules: %v", err)
	}
	given := objects()
	for _, manifest := range manifests {
		dir := filepath.Dir(manifest)
		name, list := filepath.Base(dir), given[filepath.Base(dir)]
		if list == nil && name != "quarantine" { // which watches nothing
			t.Errorf("%s: give it objects, so that it says something", name)
		}
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "module.wasm")
			err := toolchain.Build(context.Background(), dir, out, nil)
			var missing *toolchain.MissingError
			if errors.As(err, &missing) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			wasm, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			report, err := testkit.Run(t.Context(), testkit.Options{Wasm: wasm, Sandbox: program, Objects: list})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range report.Checks {
				t.Logf("%-8s %s %s", c.Result, c.Name, c.Detail)
				if c.Result == testkit.Skipped && list != nil {
					t.Errorf("%s is not asked: %s", c.Name, c.Detail)
				}
			}
			if err := report.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFaultsAreFound: each of these tiny modules breaks a rule, and the kit says
// which.
func TestFaultsAreFound(t *testing.T) {
	program := sandboxProgram(t)
	for name, want := range map[string]string{
		"no-marker":        "the file",
		"forbidden-import": "the file",
		"trap":             "empty state",
		"loop":             "empty state",
		"returns-error":    "empty state",
		"steady":           "a batch that cannot be read", // it never reads its batches
	} {
		t.Run(name, func(t *testing.T) {
			bare, err := modules.Bare(name)
			if err != nil {
				t.Fatal(err)
			}
			m := modules.Manifest()
			m.Limits = &abi.Limits{BatchMillis: 300, SnapshotMillis: 300}
			wasm, err := modules.With(bare, m)
			if err != nil {
				t.Fatal(err)
			}
			report, err := testkit.Run(t.Context(), testkit.Options{Wasm: wasm, Sandbox: program})
			if err != nil {
				t.Fatal(err)
			}
			if err := report.Err(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
	_, err := testkit.Run(t.Context(), testkit.Options{Wasm: mustModule(t), Sandbox: "/nowhere/sluice-sandbox"})
	if err == nil {
		t.Error("without a sandbox there is a report")
	}
}

func mustModule(t *testing.T) []byte {
	t.Helper()
	bare, err := modules.Bare("steady")
	if err != nil {
		t.Fatal(err)
	}
	wasm, err := modules.With(bare, modules.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := binary.Inspect(wasm); err != nil {
		t.Fatal(err)
	}
	return wasm
}
