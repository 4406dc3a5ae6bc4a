package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/host/proxy"
	"github.com/sluice-net/sluice/host/verdict"
)

// serving is an agent whose engine runs without a switch.
func serving(t *testing.T, limits datapath.Limits, fromPods bool) (*agent, context.Context) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	a := &agent{engine: newEngine(slog.New(slog.DiscardHandler), nil, limits), metrics: newMetrics()}
	a.engine.services = newServices(a.engine.log, proxy.New(proxy.Options{NodeName: "n", EndpointsFromPods: fromPods}), a.engine.dp, a.metrics.services)
	ended := make(chan struct{})
	go func() { a.engine.run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return a, ctx
}

// service is Service shop/NAME at 10.96.0.N, port 80.
func service(name string, n int) cluster.Event {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	s.Spec.ClusterIP = fmt.Sprintf("10.96.0.%d", n)
	s.Spec.Selector = map[string]string{"app": name}
	s.Spec.Ports = []corev1.ServicePort{{Port: 80, Protocol: corev1.ProtocolTCP}}
	return cluster.Event{Op: cluster.Put, Resource: cluster.Services, Namespace: "shop", Name: name, Object: s}
}

// endpoints are as many of a Service.
func endpoints(name string, many int) cluster.Event {
	port, unnamed := int32(8080), ""
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &unnamed, Port: &port}},
	}
	for i := range many {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("10.0.0.%d", i+1)}})
	}
	return cluster.Event{Op: cluster.Put, Resource: cluster.EndpointSlices, Namespace: "shop", Name: name, Object: s}
}

func (e *engine) serviceStatus(t *testing.T, ctx context.Context) (status ServiceStatus) {
	t.Helper()
	if err := e.ask(ctx, func() { status = e.services.status() }); err != nil {
		t.Fatal(err)
	}
	return status
}

// What the datapath does not take is named against the Service, what was in force
// stays, the others go on, and it is tried again when there is room.
func TestServiceThatTheDatapathRefuses(t *testing.T) {
	a, ctx := serving(t, datapath.Limits{Buckets: 400}, false)
	observed := func(events ...cluster.Event) []proxy.Problem {
		t.Helper()
		if err := a.engine.Observe(ctx, events); err != nil {
			t.Fatal(err)
		}
		return a.engine.serviceStatus(t, ctx).Problems
	}
	if problems := observed(service("web", 1), endpoints("web", 2), service("api", 2), endpoints("api", 2)); len(problems) > 0 {
		t.Fatalf("at first: %v", problems)
	}
	problems := observed(endpoints("web", 250), endpoints("api", 250))
	if len(problems) != 1 || !strings.Contains(problems[0].String(), "400") || !strings.HasSuffix(problems[0].Reason, "; what was in force of it stays") {
		t.Fatalf("250 endpoints each: %v", problems)
	}
	refused := problems[0].Object
	if refused != "Service shop/api" && refused != "Service shop/web" {
		t.Errorf("the problem is about %q", refused)
	}
	if problems := observed(endpoints("db", 1)); len(problems) != 1 {
		t.Errorf("after something else: %v", problems)
	}
	for _, name := range []string{"api", "web"} {
		if "Service shop/"+name != refused { // make room
			if problems := observed(endpoints(name, 1)); len(problems) > 0 {
				t.Errorf("when there is room: %v", problems)
			}
		}
	}
}

func TestListOfServices(t *testing.T) {
	a, ctx := serving(t, datapath.Limits{}, false)
	thief := service("thief", 1)
	thief.Object.(*corev1.Service).CreationTimestamp = metav1.Now()
	if err := a.engine.Observe(ctx, []cluster.Event{service("web", 1), endpoints("web", 2), thief}); err != nil {
		t.Fatal(err)
	}
	answer, err := a.list(ctx, url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	const lost = `"problems":[{"object":"Service shop/thief","field":"spec.clusterIP","reason":"10.96.0.1:80/TCP belongs to Service shop/web, which is older: give this one another address or port"}]`
	if strings.Count(string(text), lost) != 1 {
		t.Errorf("the list\n%s\ndoes not say once\n%s", text, lost)
	}
	if answer, err := a.list(ctx, url.Values{"service": {"shop/web"}}); err != nil || len(answer.([]proxy.Service)) != 1 {
		t.Errorf("one Service: %v, %v", answer, err)
	}
	var named *observe.Error
	if _, err := a.list(ctx, url.Values{"service": {"shop/none"}}); !errors.As(err, &named) || !strings.Contains(err.Error(), "shop/none") {
		t.Errorf("no such Service: %v", err)
	}
	a.engine.services = nil
	if _, err := a.list(ctx, url.Values{}); err == nil || !strings.Contains(err.Error(), "services.enabled: true") {
		t.Errorf("turned off: %v", err)
	}
}

// Without a controller a Pod is an endpoint as soon as CNI has given it an address.
func TestAttachedPodIsAnEndpoint(t *testing.T) {
	a, ctx := serving(t, datapath.Limits{}, true)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a", Labels: map[string]string{"app": "web"}}}
	pod.Spec.NodeName = "n"
	if err := a.engine.Observe(ctx, []cluster.Event{
		service("web", 1), {Op: cluster.Put, Resource: cluster.Pods, Namespace: "shop", Name: "a", Object: pod},
	}); err != nil {
		t.Fatal(err)
	}
	if n := a.engine.serviceStatus(t, ctx).Backends; n != 0 {
		t.Errorf("%d backends before CNI ADD", n)
	}
	if err := a.engine.ask(ctx, func() { a.engine.services.attach("shop", "a", []netip.Addr{netip.MustParseAddr("10.0.0.7")}) }); err != nil {
		t.Fatal(err)
	}
	var routes []verdict.Route
	if err := a.engine.ask(ctx, func() { routes, _ = a.engine.services.routes(verdict.Question{To: "svc:shop/web"}) }); err != nil {
		t.Fatal(err)
	}
	if len(routes) != 1 || fmt.Sprint(routes[0].Port.Backends) != "[10.0.0.7:80]" {
		t.Errorf("routes %+v", routes)
	}
	if err := a.engine.DetachPod(ctx, "shop", "a"); err != nil {
		t.Fatal(err)
	}
	if n := a.engine.serviceStatus(t, ctx).Backends; n != 0 {
		t.Errorf("%d backends after CNI DEL", n)
	}
}

func TestServicesTurnedOff(t *testing.T) {
	var none *services
	none.observe([]cluster.Event{service("web", 1)})
	none.attach("shop", "a", nil)
	if s := none.status(); s.Enabled || s.Problems == nil {
		t.Errorf("status %+v", s)
	}
	if _, err := none.routes(verdict.Question{To: "svc:shop/web"}); err == nil || !strings.Contains(err.Error(), "services.enabled") {
		t.Errorf("a question to a Service: %v", err)
	}
	if routes, err := none.routes(verdict.Question{To: "10.96.0.1"}); err != nil || routes != nil {
		t.Errorf("a question to an address: %v, %v", routes, err)
	}
}
