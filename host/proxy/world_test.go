package proxy

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/inventory"
)

// world is a Model with a datapath, and what that was told.
type world struct {
	*Model
	dp    *datapath.Datapath
	ports map[string]datapath.ServicePort
}

type event = cluster.Event

func newWorld(o Options) *world {
	if o.NodeName == "" {
		o.NodeName = "here"
	}
	dp := datapath.New(datapath.Options{Inventory: inventory.New(), Logger: slog.New(slog.DiscardHandler)})
	return &world{New(o), dp, map[string]datapath.ServicePort{}}
}

// flush tells the datapath what a Flush says. It must take all of it, in that order:
// no address may belong to two ports at any moment, and none be out of order.
func (w *world) flush(t testing.TB) Changes {
	t.Helper()
	changes := w.Flush()
	for _, name := range changes.Delete {
		if _, there := w.ports[name]; !there {
			t.Errorf("%s is deleted and was never there", name)
		}
		delete(w.ports, name)
		w.dp.DeleteService(name)
	}
	for _, put := range changes.Put {
		if err := w.dp.PutService(put); err != nil {
			t.Errorf("the datapath refuses %s: %v", line(put), err)
		}
		w.ports[put.Name] = put
	}
	return changes
}

// shown is all ports, one a line.
func (w *world) shown() string {
	var lines []string
	for _, p := range w.ports {
		lines = append(lines, line(p))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// line is a port as "NAME FRONTEND[from SOURCE,...]... -> BACKEND...", with
// affinity=, refuse or drop at its end.
func line(p datapath.ServicePort) string {
	var b strings.Builder
	b.WriteString(p.Name)
	for _, f := range p.Frontends {
		fmt.Fprintf(&b, " %s", f.Address)
		if f.Sources != nil {
			fmt.Fprintf(&b, "[from %s]", join(f.Sources, ","))
		}
	}
	fmt.Fprintf(&b, " -> %s", join(p.Backends, " "))
	if len(p.Backends) == 0 {
		b.WriteString(map[datapath.EmptyAction]string{datapath.RefuseWhenEmpty: "refuse", datapath.DropWhenEmpty: "drop"}[p.WhenEmpty])
	}
	if p.Affinity > 0 {
		fmt.Fprintf(&b, " affinity=%s", p.Affinity)
	}
	return b.String()
}

func join[T fmt.Stringer](all []T, with string) string {
	var words []string
	for _, one := range all {
		words = append(words, one.String())
	}
	return strings.Join(words, with)
}

// parse makes events of objects in YAML, which nobody has checked or completed: an
// API server may hold what it would refuse today.
func parse(t *testing.T, text string) []cluster.Event {
	t.Helper()
	var events []cluster.Event
	for document := range strings.SplitSeq(text, "\n---\n") {
		var head metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &head); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		var object metav1.Object
		resource := ""
		switch head.Kind {
		case "Service":
			object, resource = &corev1.Service{}, cluster.Services
		case "EndpointSlice":
			object, resource = &discoveryv1.EndpointSlice{}, cluster.EndpointSlices
		case "Node":
			object, resource = &corev1.Node{}, cluster.Nodes
		case "Pod":
			object, resource = &corev1.Pod{}, cluster.Pods
		default:
			t.Fatalf("kind %q in\n%s", head.Kind, document)
		}
		if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if object.GetNamespace() == "" && head.Kind != "Node" {
			object.SetNamespace("shop")
		}
		events = append(events, putEvent(resource, object))
	}
	return events
}

func putEvent(resource string, object metav1.Object) cluster.Event {
	return cluster.Event{Op: cluster.Put, Resource: resource, Namespace: object.GetNamespace(), Name: object.GetName(), Object: object}
}

func deleted(e cluster.Event) cluster.Event {
	return cluster.Event{Op: cluster.Delete, Resource: e.Resource, Namespace: e.Namespace, Name: e.Name}
}

// web is Service shop/web at 10.96.0.1, port 80, with more in its spec.
func web(spec string) string { return webNamed("web", "10.96.0.1", spec) }

func webNamed(name, ip, spec string) string {
	if !strings.Contains(spec, "ports:") {
		spec = "ports: [{port: 80, targetPort: 8080}]\n" + spec
	}
	if !strings.Contains(spec, "clusterIP") {
		spec = fmt.Sprintf("clusterIP: %q\n", ip) + spec
	}
	return "kind: Service\nmetadata: {name: " + name + "}\nspec:\n  " + strings.ReplaceAll(strings.TrimSpace(spec), "\n", "\n  ")
}

// sliceOf is an EndpointSlice of shop/web with an unnamed port 8080.
func sliceOf(name, endpoints string) string {
	return "kind: EndpointSlice\nmetadata: {name: " + name + ", labels: {kubernetes.io/service-name: web}}\naddressType: IPv4\nports: [{name: '', port: 8080}]\nendpoints:\n" + endpoints
}

// ready is an endpoint on a node that is ready.
func ready(ip, node string) string { return endpointWith(ip, node, "conditions: {ready: true}") }

func ending(ip, node string) string {
	return endpointWith(ip, node, "conditions: {ready: false, serving: true, terminating: true}")
}

func endpointWith(ip, node, more string) string {
	return fmt.Sprintf("- {addresses: [%q], nodeName: %s, %s}\n", ip, node, more)
}

const web80 = "shop/web:80/TCP/IPv4 10.96.0.1:80"
