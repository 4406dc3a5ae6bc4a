package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tests/cluster/build"
	"github.com/sluice-net/sluice/tests/cluster/process"
)

// Node is a node that runs.
type Node struct {
	opts    Options
	init    *process.Process
	cgroups cgroups
}

// Start starts a node. It is ready when the API says so.
func Start(opts Options) (*Node, error) {
	n := &Node{opts: opts}
	err := n.start()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("node %s: %w", opts.Name, err), n.Stop())
	}
	return n, nil
}

func (n *Node) start() (err error) {
	if n.cgroups, err = newCgroups(n.opts.CgroupID + "-" + n.opts.Name); err != nil {
		return err
	}
	setup, err := n.setup()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(setup, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(n.opts.Dir, "setup.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return err
	}
	n.init, err = process.Start(process.Options{
		Name: "node " + n.opts.Name, Log: filepath.Join(setup.Logs, "init.log"), Namespace: n.opts.Namespace,
		Clone: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}, exec.Command(n.opts.Programs[build.NodeInit], file))
	return err
}

// setup writes what the node's programs read.
func (n *Node) setup() (Setup, error) {
	o := n.opts
	s := Setup{
		Name: o.Name, Cgroups: n.cgroups.dirs, Unified: n.cgroups.unified, Images: o.Images,
		Private: map[string]string{}, Plugins: map[string]string{}, Logs: filepath.Join(o.Dir, "logs"),
		// The values that kubelet demands (kubelet, pkg/kubelet/cm: setupKernelTunables).
		Override: map[string]string{"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"},
	}
	for _, dir := range Private() {
		s.Private[dir] = filepath.Join(o.Dir, "root", dir)
	}
	for _, name := range plugins() {
		s.Plugins[name] = o.Programs[name]
	}
	conf := filepath.Join(o.Dir, "conf")
	for _, dir := range []string{conf, s.Logs, filepath.Join(s.Private["/etc/cni"], "net.d")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return s, err
		}
	}
	for name, to := range map[string]string{
		"containerd.toml": conf, "kubelet.yaml": conf, "kube-proxy.yaml": conf, "10-ptp.conflist": filepath.Join(s.Private["/etc/cni"], "net.d"),
	} {
		if err := render(filepath.Join(to, name), name, o); err != nil {
			return s, err
		}
	}
	s.Runtime = []string{"containerd", "--config", filepath.Join(conf, "containerd.toml")}
	s.Probe = []string{"ctr", "version"}
	s.Import = []string{"ctr", "-n", "k8s.io", "images", "import"}
	s.Services = [][]string{
		{o.Programs[build.Kubelet], "--config=" + filepath.Join(conf, "kubelet.yaml"), "--kubeconfig=" + o.KubeletConfig, "--hostname-override=" + o.Name, "--node-ip=" + o.Address},
		{o.Programs[build.KubeProxy], "--config=" + filepath.Join(conf, "kube-proxy.yaml"), "--hostname-override=" + o.Name},
	}
	return s, nil
}

// Name of the node in the cluster.
func (n *Node) Name() string { return n.opts.Name }

// Path is where the machine sees a file of one of the node's private directories.
func (n *Node) Path(file string) string { return filepath.Join(n.opts.Dir, "root", file) }

// Command makes a command that runs in the node.
func (n *Node) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	enter := []string{"--target", strconv.Itoa(n.init.PID), "--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup", "--", name}
	return exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
}

// Logs are the files that the node's programs write.
func (n *Node) Logs() []string {
	files, _ := filepath.Glob(filepath.Join(n.opts.Dir, "logs", "*.log")) // the pattern is well formed
	return files
}

// Ended is an error if the node's first process is gone.
func (n *Node) Ended() error {
	select {
	case <-n.init.Done():
		return fmt.Errorf("node %s has ended: %s", n.opts.Name, n.init.Tail())
	default:
		return nil
	}
}

// Stop ends everything on the node and removes its cgroups.
func (n *Node) Stop() error {
	err := n.init.Stop()
	return errors.Join(err, n.cgroups.remove(20*time.Second))
}
