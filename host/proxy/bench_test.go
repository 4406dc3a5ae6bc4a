package proxy

import (
	"fmt"
	"runtime"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-net/sluice/host/cluster"
)

const (
	benchServices  = 10_000
	benchEndpoints = 10 // of each
)

func benchService(i int) cluster.Event {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: fmt.Sprintf("ns-%d", i%100), Name: fmt.Sprintf("service-%d", i)}}
	s.Spec.ClusterIP = fmt.Sprintf("10.96.%d.%d", i/250, i%250+1)
	s.Spec.ClusterIPs = []string{s.Spec.ClusterIP}
	s.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}}
	return putEvent(cluster.Services, s)
}

func benchSlice(i, ready int) cluster.Event {
	port, name, yes, no := int32(8080), "http", true, false
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: fmt.Sprintf("ns-%d", i%100), Name: fmt.Sprintf("service-%d-abcde", i),
			Labels: map[string]string{discoveryv1.LabelServiceName: fmt.Sprintf("service-%d", i)},
		},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
	}
	for j := range benchEndpoints {
		node, isReady := fmt.Sprintf("node-%d", (i+j)%1000), &yes
		if j >= ready {
			isReady = &no
		}
		n := i*benchEndpoints + j
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{fmt.Sprintf("10.%d.%d.%d", 128+n/62500, n/250%250, n%250+1)}, NodeName: &node,
			Conditions: discoveryv1.EndpointConditions{Ready: isReady, Serving: &yes, Terminating: &no},
		})
	}
	return putEvent(cluster.EndpointSlices, s)
}

func benchObjects() []cluster.Event {
	var events []cluster.Event
	for i := range benchServices {
		events = append(events, benchService(i), benchSlice(i, benchEndpoints))
	}
	return events
}

// BenchmarkCold is all Services at once: 10 000 with 10 endpoints each. What stays
// in memory, ServicePorts included and the objects not, is heap-MB.
func BenchmarkCold(b *testing.B) {
	events := benchObjects()
	var m *Model
	var before, after runtime.MemStats
	for b.Loop() {
		b.StopTimer()
		m = nil
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		m = New(Options{NodeName: "node-1"})
		m.Apply(events)
		if got := len(m.Flush().Put); got != benchServices {
			b.Fatalf("%d ServicePorts", got)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "heap-MB")
	runtime.KeepAlive(m)
	runtime.KeepAlive(events)
}

// BenchmarkOneEndpoint is one endpoint that becomes ready or unready, of 100 000.
func BenchmarkOneEndpoint(b *testing.B) {
	m := New(Options{NodeName: "node-1"})
	m.Apply(benchObjects())
	m.Flush()
	changes := [2]cluster.Event{benchSlice(77, benchEndpoints-1), benchSlice(77, benchEndpoints)}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.Apply(changes[i%2 : i%2+1])
		if c := m.Flush(); len(c.Put) != 1 || len(c.Delete) != 0 {
			b.Fatalf("%+v", c)
		}
		i++
	}
}

// TestOneChangeCostsOneService holds the promise that a change costs what its
// Service costs: nothing of the others is looked at, whatever their number.
func TestOneChangeCostsOneService(t *testing.T) {
	cost := func(services int) float64 {
		m := New(Options{NodeName: "node-1"})
		for i := range services {
			m.Apply([]cluster.Event{benchService(i), benchSlice(i, benchEndpoints)})
		}
		m.Flush()
		changes := [2]cluster.Event{benchSlice(7, benchEndpoints-1), benchSlice(7, benchEndpoints)}
		i := 0
		return testing.AllocsPerRun(100, func() {
			m.Apply(changes[i%2 : i%2+1])
			m.Flush()
			i++
		})
	}
	if few, many := cost(10), cost(2000); many > few+2 {
		t.Errorf("a change allocates %.0f times among 10 Services and %.0f times among 2000", few, many)
	}
}
