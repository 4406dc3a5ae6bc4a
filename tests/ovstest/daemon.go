package ovstest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// freshNetNS asks for a network namespace of the daemon's own.
const freshNetNS = "(fresh)"

// daemon is a child process that ends with its parent.
type daemon struct {
	pid     int
	process *os.Process
	gone    chan struct{}
}

// start runs one of the two OVS daemons in the foreground, as a child.
func (i *Instance) start(name, namespace string, args ...string) *daemon {
	i.t.Helper()
	args = append(args, "--pidfile="+filepath.Join(i.Dir, name+".pid"), "--log-file="+filepath.Join(i.Dir, name+".log"), "-vconsole:off")
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	command := append([]string{name}, args...)
	switch namespace {
	case "":
	case freshNetNS:
		attr.Cloneflags = syscall.CLONE_NEWNET
	default:
		// nsenter replaces itself, so the process id and the death signal are the daemon's.
		command = append([]string{"nsenter", "--net=" + namespace, "--"}, command...)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env, cmd.SysProcAttr = i.Env(), attr
	output, err := os.Create(filepath.Join(i.Dir, name+".out"))
	if err != nil {
		i.t.Fatalf("make the output file of %s: %v", name, err)
	}
	cmd.Stdout, cmd.Stderr = output, output

	d := &daemon{gone: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel sends the death signal when the *thread* that forked ends: keep that thread until the child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		output.Close()
		if err == nil {
			d.pid, d.process = cmd.Process.Pid, cmd.Process
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // it is always killed, so the status says nothing
		}
		close(d.gone)
	}()
	if err := <-started; err != nil {
		i.t.Fatalf("start %s: %v", name, err)
	}
	return d
}

func (d *daemon) kill() {
	if d == nil || d.process == nil {
		return
	}
	_ = d.process.Kill() // the only error is that it is gone
	<-d.gone
}

// waitSocket returns once something accepts connections at the path. There is no event to wait for, hence the polling.
func (i *Instance) waitSocket(path string) {
	i.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		conn, err := net.Dial("unix", path)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			i.t.Fatalf("no daemon of Open vSwitch listens at %s after %v: %v\n%s", path, patience, err, i.Logs())
		}
		time.Sleep(2 * time.Millisecond)
	}
}
