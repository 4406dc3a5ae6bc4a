// Program nftables is kube-proxy's nftables mode without an API server: its own
// Proxier, which writes to the kernel through the program nft, is handed Services
// and EndpointSlices as its informers would. It says in nanoseconds how long it
// takes from there until the kernel has them: on the first line for all of them,
// and then, for each line that it reads, for one endpoint that moves.
//
// It writes rules into the network namespace in which it runs, and leaves them there.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	kubeproxyconfig "k8s.io/kubernetes/pkg/proxy/apis/config"
	"k8s.io/kubernetes/pkg/proxy/nftables"
	proxyutil "k8s.io/kubernetes/pkg/proxy/util"
)

func main() {
	services := flag.Int("services", 100, "how many there are")
	endpoints := flag.Int("endpoints", 10, "how many each has")
	flag.Parse()
	// It complains that the table is not there before it makes it.
	klog.SetLoggerWithOptions(logr.Discard(), klog.ContextualLogger(true))
	if err := run(*services, *endpoints); err != nil {
		fmt.Fprintln(os.Stderr, "nftables:", err)
		os.Exit(1)
	}
}

func run(services, endpoints int) error {
	bit := int32(14) // as in kube-proxy's own defaults
	config := &kubeproxyconfig.KubeProxyConfiguration{}
	config.NFTables.MasqueradeBit = &bit
	config.SyncPeriod.Duration, config.MinSyncPeriod.Duration = 30*time.Second, time.Second
	proxier, err := nftables.NewProxier(context.Background(), config, corev1.IPv4Protocol, proxyutil.NewNoOpLocalDetector(), "here", net.IPv4(10, 255, 0, 1), nil, nil, false)
	if err != nil {
		return err
	}
	start := time.Now()
	for i := range services {
		proxier.OnServiceAdd(service(i))
		proxier.OnEndpointSliceAdd(slice(i, endpoints, 0))
	}
	// The second one writes, and returns when that is done. The loop that holds changes
	// back for MinSyncPeriod, a second by default, is never begun.
	proxier.OnServiceSynced()
	proxier.OnEndpointSlicesSynced()
	fmt.Println(time.Since(start).Nanoseconds())
	lines := bufio.NewScanner(os.Stdin)
	for i := 1; lines.Scan(); i++ {
		changed := slice(i*7%services, endpoints, i)
		start := time.Now()
		proxier.OnEndpointSliceUpdate(nil, changed)
		proxier.OnEndpointSlicesSynced()
		fmt.Println(time.Since(start).Nanoseconds())
	}
	return lines.Err()
}

func service(i int) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: fmt.Sprintf("service-%d", i)}}
	s.Spec.Type, s.Spec.SessionAffinity = corev1.ServiceTypeClusterIP, corev1.ServiceAffinityNone
	s.Spec.ClusterIP = fmt.Sprintf("10.96.%d.%d", i>>8, i&255)
	s.Spec.ClusterIPs, s.Spec.IPFamilies = []string{s.Spec.ClusterIP}, []corev1.IPFamily{corev1.IPv4Protocol}
	s.Spec.Ports = []corev1.ServicePort{{Name: "http", Protocol: corev1.ProtocolTCP, Port: 80}}
	return s
}

// slice has the endpoints of a Service, the first of which has moved so many times.
func slice(i, endpoints, moved int) *discoveryv1.EndpointSlice {
	name, protocol, port := "http", corev1.ProtocolTCP, int32(8080)
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: fmt.Sprintf("service-%d-x", i), Labels: map[string]string{discoveryv1.LabelServiceName: fmt.Sprintf("service-%d", i)},
		},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &name, Protocol: &protocol, Port: &port}},
	}
	for e := range endpoints {
		at := i*endpoints + e
		address := fmt.Sprintf("10.%d.%d.%d", at>>16, at>>8&255, at&255)
		if e == 0 && moved > 0 {
			address = fmt.Sprintf("172.16.%d.%d", moved>>8, moved&255)
		}
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}})
	}
	return s
}
