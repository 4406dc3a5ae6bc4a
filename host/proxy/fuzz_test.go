package proxy

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/datapath"
)

// FuzzModel feeds a Service and an EndpointSlice that nobody has checked. Whatever
// they hold, the datapath must take what comes of them, and the Service beside them
// must go on.
func FuzzModel(f *testing.F) {
	for _, service := range []string{
		`{"spec":{"clusterIP":"10.96.0.2","ports":[{"port":80}]}}`,
		`{"spec":{"clusterIP":"fd00::1","clusterIPs":["fd00::1","10.96.0.2"],"ports":[{"name":"a","port":80,"protocol":"UDP"},{"name":"b","port":80}],"externalIPs":["10.96.0.1","` + datapath.HairpinAddresses()[0].String() + `","::ffff:1.2.3.4","0.0.0.0"]}}`,
		`{"spec":{"type":"LoadBalancer","clusterIP":"010.1.2.3","ports":[{"port":65535}],"loadBalancerSourceRanges":["1.2.3.4/33"," ::/0"],"sessionAffinity":"ClientIP"},"status":{"loadBalancer":{"ingress":[{"ip":"255.255.255.255"},{"ip":"1.2.3.4","ipMode":"VIP"}]}}}`,
		`{"spec":{"clusterIP":"10.96.0.2","ports":[{"port":80}],"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":-1}}}}`,
	} {
		for _, slice := range []string{
			`{"addressType":"IPv4","ports":[{"name":"","port":80},{"name":"a","protocol":"UDP","port":0}],"endpoints":[{"addresses":["10.0.0.1"]},{"addresses":["fd00::2"]},{"addresses":["224.0.0.1"]}]}`,
			`{"addressType":"IPv6","ports":[{"name":"b","port":80},{"name":"b","port":81}],"endpoints":[{"addresses":["::ffff:10.0.0.1"]},{"addresses":[]},{"addresses":["::1"],"hints":{"forZones":[{"name":""}]}}]}`,
		} {
			f.Add([]byte(service), []byte(slice))
		}
	}
	f.Fuzz(func(t *testing.T, service, slice []byte) {
		s, e := &corev1.Service{}, &discoveryv1.EndpointSlice{}
		if json.Unmarshal(service, s) != nil || json.Unmarshal(slice, e) != nil {
			return
		}
		s.Namespace, s.Name = "shop", "odd"
		e.Namespace, e.Name, e.Labels = "shop", "odd-1", map[string]string{discoveryv1.LabelServiceName: "odd"}
		w := newWorld(Options{EndpointsFromPods: true})
		w.Apply(parse(t, web("")+"\n---\n"+sliceOf("web-1", ready("10.0.0.1", "here"))))
		w.Apply([]event{putEvent(cluster.Services, s), putEvent(cluster.EndpointSlices, e)})
		w.flush(t)
		w.Services()
		if got, want := line(w.ports["shop/web:80/TCP/IPv4"]), web80+" -> 10.0.0.1:8080"; got != want && s.CreationTimestamp.IsZero() {
			claimed := false
			for _, p := range w.Problems() {
				claimed = claimed || p.Object == "Service shop/web"
			}
			if !claimed {
				t.Errorf("the other Service is %s, want %s", got, want)
			}
		}
	})
}
