package deploy

import (
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// object is a Kubernetes object as it was written.
type object = map[string]any

// kustomized builds a directory as `kubectl apply -k` does.
func kustomized(t *testing.T, dir string) map[string]object {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join("kustomize", dir))
	if err != nil {
		t.Fatal(err)
	}
	text, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return objects(t, string(text))
}

// templated renders the chart as `helm install` does, in the namespace of the base.
func templated(t *testing.T, values object) map[string]object {
	t.Helper()
	chart, err := loader.Load("helm/sluice")
	if err != nil {
		t.Fatal(err)
	}
	all, err := chartutil.ToRenderValues(chart, values, chartutil.ReleaseOptions{Name: "sluice", Namespace: "sluice-system"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for name, content := range files {
		if strings.HasSuffix(name, ".yaml") {
			text.WriteString("---\n" + content + "\n")
		}
	}
	for _, crd := range chart.CRDObjects() {
		text.WriteString("---\n" + string(crd.File.Data) + "\n")
	}
	return objects(t, text.String())
}

// objects reads documents by kind and name.
func objects(t *testing.T, text string) map[string]object {
	t.Helper()
	all := map[string]object{}
	for _, document := range strings.Split("\n"+text, "\n---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if len(o) == 0 {
			continue
		}
		kind, _ := o["kind"].(string)
		metadata, _ := o["metadata"].(object)
		name, _ := metadata["name"].(string)
		if _, twice := all[kind+"/"+name]; twice || kind == "" || name == "" {
			t.Fatalf("%s/%s is there twice, or has no name", kind, name)
		}
		all[kind+"/"+name] = o
	}
	return all
}
