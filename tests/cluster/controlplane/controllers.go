package controlplane

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/sluice-net/sluice/tests/cluster/build"
)

// startControllers starts what acts on objects. None of them is waited for: who uses
// the cluster waits for what they make.
func (s *Server) startControllers() error {
	manager, err := s.Kubeconfig("system:kube-controller-manager")
	if err != nil {
		return err
	}
	if err := s.add(build.ControllerManager,
		"--kubeconfig="+manager, "--authentication-kubeconfig="+manager, "--authorization-kubeconfig="+manager,
		"--bind-address=127.0.0.1", "--leader-elect=false", "--controllers=*", "--allocate-node-cidrs=false",
		"--use-service-account-credentials=true", "--service-account-private-key-file="+filepath.Join(s.opts.Dir, "pki", "serviceaccount.key"),
		"--root-ca-file="+s.authority.Certificate(),
		"--cluster-signing-cert-file="+s.authority.Certificate(), "--cluster-signing-key-file="+s.authority.KeyFile(),
	); err != nil {
		return err
	}
	scheduler, err := s.Kubeconfig("system:kube-scheduler")
	if err != nil {
		return err
	}
	if err := s.add(build.Scheduler,
		"--kubeconfig="+scheduler, "--authentication-kubeconfig="+scheduler, "--authorization-kubeconfig="+scheduler,
		"--bind-address=127.0.0.1", "--leader-elect=false",
	); err != nil {
		return err
	}
	if _, is := s.opts.Programs[build.CoreDNS]; is {
		return s.startDNS()
	}
	return nil
}

// startDNS runs CoreDNS beside the API server, at its address. Objects that point the
// cluster's DNS Service there are in DNSManifest.
func (s *Server) startDNS() error {
	config := fmt.Sprintf(`.:53 {
  bind %s
  errors
  kubernetes %s in-addr.arpa ip6.arpa {
    kubeconfig %s
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
  }
  cache 5
}
`, s.opts.Address, DNSDomain, s.admin)
	file := filepath.Join(s.opts.Dir, "Corefile")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return err
	}
	return s.add(build.CoreDNS, "-conf", file)
}
