package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tests/cluster/build"
	"github.com/sluice-net/sluice/tests/cluster/pki"
	"github.com/sluice-net/sluice/tests/cluster/process"
)

// Server is a control plane that runs.
type Server struct {
	opts      Options
	authority *pki.Authority
	admin     string

	etcdPort  int
	api       *process.Process
	processes []*process.Process // in the order of starting, without the API server
}

// patience bounds each wait for a program. A machine that is busy with other things
// takes its time.
const patience = 2 * time.Minute

// Start brings a control plane up.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if opts.Address == "" {
		opts.Address = "127.0.0.1"
	}
	s := &Server{opts: opts}
	err := s.ports()
	if err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	if err := s.certificates(); err != nil {
		return err
	}
	if err := s.startEtcd(); err != nil {
		return err
	}
	if err := s.StartAPI(ctx); err != nil {
		return err
	}
	if s.opts.Controllers {
		return s.startControllers()
	}
	return nil
}

// ports are chosen among those that are free now. Somebody else may take one in
// between; the program that cannot have its port ends and says so.
func (s *Server) ports() error {
	if s.opts.Namespace != "" { // nobody else is there
		s.etcdPort, s.opts.Port = 2379, 6443
		return nil
	}
	for _, port := range []*int{&s.etcdPort, &s.opts.Port} {
		if *port != 0 {
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close() // after the other has been chosen
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return nil
}

// run starts a program that logs into the server's directory.
func (s *Server) run(name string, args ...string) (*process.Process, error) {
	path, is := s.opts.Programs[name]
	if !is {
		return nil, fmt.Errorf("%s is not among the programs", name)
	}
	return process.Start(process.Options{
		Name: name, Log: filepath.Join(s.opts.Dir, name+".log"), Namespace: s.opts.Namespace,
	}, exec.Command(path, args...))
}

// add starts a program that Close ends.
func (s *Server) add(name string, args ...string) error {
	p, err := s.run(name, args...)
	if err == nil {
		s.processes = append(s.processes, p)
	}
	return err
}

func (s *Server) startEtcd() error {
	client := "http://127.0.0.1:" + strconv.Itoa(s.etcdPort)
	peer := "http://127.0.0.1:0" // a member without peers: nobody connects
	return s.add(build.Etcd,
		"--data-dir="+filepath.Join(s.opts.Dir, "etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer)
}

// URL of the API server.
func (s *Server) URL() string {
	return "https://" + net.JoinHostPort(s.opts.Address, strconv.Itoa(s.opts.Port))
}

// Admin is the kubeconfig of somebody who may do everything.
func (s *Server) Admin() string { return s.admin }

// Authority is the certificate that signed the others, a file.
func (s *Server) Authority() string { return s.authority.Certificate() }

// Log is the file with what a program wrote.
func (s *Server) Log(name string) string { return filepath.Join(s.opts.Dir, name+".log") }

// Kubeconfig makes a client: a user of these groups, with the rights that RBAC gives them.
func (s *Server) Kubeconfig(user string, groups ...string) (string, error) {
	name := filepath.Base(user)
	return s.authority.Kubeconfig(name, s.URL(), pki.Subject{User: user, Groups: groups})
}

// StopAPI ends the API server alone: connections to it are refused until StartAPI.
func (s *Server) StopAPI() error { return s.api.Stop() }

// SuspendAPI stops the API server where it is: connections to it hang until ResumeAPI.
func (s *Server) SuspendAPI() error { return s.api.Signal(unix.SIGSTOP) }

// ResumeAPI lets a suspended API server go on.
func (s *Server) ResumeAPI() error { return s.api.Signal(unix.SIGCONT) }

// Close ends all programs. Doing it again is harmless.
func (s *Server) Close() error {
	err := s.api.Stop()
	for i := len(s.processes) - 1; i >= 0; i-- {
		err = errors.Join(err, s.processes[i].Stop())
	}
	return err
}

func (s *Server) certificates() (err error) {
	dir := filepath.Join(s.opts.Dir, "pki")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if s.authority, err = pki.New(dir); err != nil {
		return fmt.Errorf("making the cluster's authority: %w", err)
	}
	if _, err := s.authority.SigningKey("serviceaccount"); err != nil {
		return err
	}
	if _, err := s.authority.Issue("front-proxy", pki.Subject{User: "front-proxy-client"}); err != nil {
		return err
	}
	service := "kubernetes.default.svc"
	if _, err := s.authority.Issue("apiserver", pki.Subject{User: "kube-apiserver", Hosts: []string{
		"localhost", "127.0.0.1", s.opts.Address, serviceAPI, "kubernetes", "kubernetes.default", service, service + "." + DNSDomain,
	}}); err != nil {
		return err
	}
	if _, err := s.authority.Issue("apiserver-kubelet", pki.Subject{User: "kube-apiserver-kubelet", Groups: []string{administrators}}); err != nil {
		return err
	}
	s.admin, err = s.Kubeconfig("kubernetes-admin", administrators)
	return err
}

// administrators is the group that RBAC does not bind (Kubernetes, "Using RBAC Authorization").
const administrators = "system:masters"
