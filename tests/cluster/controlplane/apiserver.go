package controlplane

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"

	"github.com/sluice-net/sluice/tests/cluster/build"
)

// StartAPI starts the API server, also again after StopAPI: at the same address, with
// the same objects. It returns when the server is ready.
func (s *Server) StartAPI(ctx context.Context) error {
	file := func(name string) string { return filepath.Join(s.opts.Dir, "pki", name) }
	args := []string{
		"--etcd-servers=http://127.0.0.1:" + strconv.Itoa(s.etcdPort),
		"--secure-port=" + strconv.Itoa(s.opts.Port),
		"--tls-cert-file=" + file("apiserver.crt"), "--tls-private-key-file=" + file("apiserver.key"),
		"--client-ca-file=" + s.authority.Certificate(),
		"--service-account-issuer=https://kubernetes.default.svc." + DNSDomain,
		"--service-account-key-file=" + file("serviceaccount.key"), "--service-account-signing-key-file=" + file("serviceaccount.key"),
		"--service-cluster-ip-range=" + ServiceCIDR,
		"--authorization-mode=Node,RBAC", "--allow-privileged=true",
		"--kubelet-client-certificate=" + file("apiserver-kubelet.crt"), "--kubelet-client-key=" + file("apiserver-kubelet.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + s.authority.Certificate(), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + file("front-proxy.crt"), "--proxy-client-key-file=" + file("front-proxy.key"),
	}
	audit, err := s.auditFlags()
	if err != nil {
		return err
	}
	args = append(args, audit...)
	if s.opts.Controllers {
		args = append(args, "--bind-address=0.0.0.0", "--advertise-address="+s.opts.Address, "--enable-admission-plugins=NodeRestriction")
	} else {
		// Nobody makes the ServiceAccounts that admission would wait for, and a loopback address cannot be an endpoint.
		args = append(args, "--bind-address="+s.opts.Address, "--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none")
	}
	api, err := s.run(build.APIServer, args...)
	if err != nil {
		return err
	}
	s.api = api
	client, err := s.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return api.Until(ctx, "it was ready", func() error { return ready(ctx, client, s.URL()+"/readyz") })
}

func ready(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return nil
}

// client is an administrator's.
func (s *Server) client() (*http.Client, error) {
	config, err := s.authority.TLS("kubernetes-admin")
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, DialContext: s.Dial}}, nil
}

// Dial connects to an address in the server's network namespace.
func (s *Server) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return dialIn(ctx, s.opts.Namespace, network, address)
}
