package ovstest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// schema is where Debian's openvswitch-common puts the database schema.
const schema = "/usr/share/openvswitch/vswitch.ovsschema"

// patience bounds every wait of this package. An instance normally needs a quarter of a second.
const patience = 20 * time.Second

// Options say where an Instance runs.
type Options struct {
	// NetNS is the network namespace of ovs-vswitchd: a name as in `ip netns add NAME`, or a path.
	// Empty means a fresh namespace without a name that ends with the daemon. The namespace given here stays the caller's.
	NetNS string
	// Datapath is that of bridges: "netdev" (also if empty), or "system", which the kernel must have. Datapath says
	// which to ask for in tests that hold for both.
	Datapath string
}

// Datapath is the kernel's ("system") where there is one and "netdev" elsewhere, as an agent chooses by itself.
func Datapath() string {
	if _, err := netlink.GenlFamilyGet("ovs_datapath"); err == nil {
		return "system"
	}
	return netdev
}

const netdev = "netdev"

// Instance is one private Open vSwitch. Its methods fail the test instead of returning errors.
type Instance struct {
	// Dir is OVS_RUNDIR, and also holds database and logs. Its path is short, because a unix socket's path may have no
	// more than 107 bytes, which names made by t.TempDir exceed.
	Dir string
	// DBSocket is the path of the OVSDB socket; for ovs-vsctl and libovsdb put "unix:" before it.
	DBSocket string

	t        testing.TB
	netns    string
	datapath string
	database *daemon
	switchd  *daemon
}

// Start runs a private ovsdb-server and ovs-vswitchd until the test and its subtests end.
func Start(t testing.TB, opts Options) *Instance {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("a private Open vSwitch needs root (network namespaces and tap devices)")
	}
	dir, err := os.MkdirTemp("", "ovs")
	if err != nil {
		t.Fatalf("make a directory for Open vSwitch: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the directory of Open vSwitch: %v", err)
		}
	})
	i := &Instance{Dir: dir, DBSocket: filepath.Join(dir, "db.sock"), t: t, netns: netnsPath(opts.NetNS), datapath: opts.Datapath}
	if i.datapath == "" {
		i.datapath = netdev
	}
	// Cleanups run last to first: daemons end before their directory goes.
	t.Cleanup(func() {
		i.KillSwitchd()
		i.KillDatabase()
		if t.Failed() {
			t.Log(i.Logs())
		}
	})
	i.Run("ovsdb-tool", "create", filepath.Join(dir, "conf.db"), schema)
	i.StartDatabase()
	i.Run("ovs-vsctl", "--no-wait", "init")
	i.StartSwitchd()
	return i
}

// netnsPath turns the name of a network namespace into its path.
func netnsPath(name string) string {
	if name == "" || strings.Contains(name, "/") {
		return name
	}
	return filepath.Join("/var/run/netns", name)
}

// AddBridge makes a bridge that drops everything until told otherwise (fail_mode=secure), and returns once its
// OpenFlow socket accepts connections. It returns the path of that socket.
func (i *Instance) AddBridge(name string) string {
	i.t.Helper()
	i.Run("ovs-vsctl", "--may-exist", "add-br", name, "--", "set", "bridge", name, "datapath_type="+i.datapath, "fail_mode=secure")
	socket := i.MgmtSocket(name)
	i.waitSocket(socket)
	return socket
}

// AddInternalPort adds a port of type internal with the OpenFlow number given (0 lets OVS choose).
func (i *Instance) AddInternalPort(bridge, name string, ofport int) {
	i.t.Helper()
	args := []string{"add-port", bridge, name, "--", "set", "interface", name, "type=internal"}
	if ofport != 0 {
		args = append(args, fmt.Sprintf("ofport_request=%d", ofport))
	}
	i.Run("ovs-vsctl", args...)
}

// MgmtSocket is the path of the bridge's OpenFlow management socket.
func (i *Instance) MgmtSocket(bridge string) string {
	return filepath.Join(i.Dir, bridge+".mgmt")
}

// Run executes one of OVS's tools against this instance and returns its standard output. ovs-vsctl gets --db by itself.
func (i *Instance) Run(name string, args ...string) string {
	i.t.Helper()
	out, err := i.TryRun(nil, name, args...)
	if err != nil {
		i.t.Fatal(err)
	}
	return out
}

// TryRun is Run with an error, and with bytes for the standard input (nil means none).
func (i *Instance) TryRun(stdin []byte, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*patience)
	defer cancel()
	if name == "ovs-vsctl" {
		args = append([]string{"--db=unix:" + i.DBSocket, "--timeout=20"}, args...)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = i.Env()
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// OFCtl runs `ovs-ofctl -O OpenFlow15 VERB mgmt-socket ARGS...`.
func (i *Instance) OFCtl(bridge, verb string, args ...string) string {
	i.t.Helper()
	return i.Run("ovs-ofctl", append([]string{"-O", "OpenFlow15", verb, "unix:" + i.MgmtSocket(bridge)}, args...)...)
}

// Env is the environment that makes OVS's tools talk to this instance.
func (i *Instance) Env() []string {
	return append(os.Environ(), "OVS_RUNDIR="+i.Dir, "OVS_LOGDIR="+i.Dir, "OVS_DBDIR="+i.Dir, "OVS_SYSCONFDIR="+i.Dir)
}

// StartDatabase starts ovsdb-server, again if it was killed.
func (i *Instance) StartDatabase() {
	i.t.Helper()
	_ = os.Remove(i.DBSocket) // left by a killed predecessor; with it there, waiting would prove nothing
	i.database = i.start("ovsdb-server", "", filepath.Join(i.Dir, "conf.db"), "--remote=punix:"+i.DBSocket)
	i.waitSocket(i.DBSocket)
}

// StartSwitchd starts ovs-vswitchd, again if it was killed. After a restart it has the bridges of the database, without flows.
func (i *Instance) StartSwitchd() {
	i.t.Helper()
	namespace := i.netns
	if namespace == "" {
		namespace = freshNetNS
	}
	sockets, _ := filepath.Glob(filepath.Join(i.Dir, "*.mgmt"))
	for _, stale := range sockets {
		_ = os.Remove(stale)
	}
	i.switchd = i.start("ovs-vswitchd", namespace, "unix:"+i.DBSocket)
}

// KillSwitchd ends ovs-vswitchd with SIGKILL and waits until it is gone. Harmless if it is gone already.
func (i *Instance) KillSwitchd() { i.switchd.kill() }

// KillDatabase ends ovsdb-server with SIGKILL and waits until it is gone. Harmless if it is gone already.
func (i *Instance) KillDatabase() { i.database.kill() }

// SwitchdPID is the process id of the running ovs-vswitchd; /proc/PID/ns/net is its network namespace.
func (i *Instance) SwitchdPID() int { return i.switchd.pid }

// Logs returns the tail of both daemons' logs, for failure messages.
func (i *Instance) Logs() string {
	var b strings.Builder
	for _, name := range []string{"ovsdb-server", "ovs-vswitchd"} {
		for _, suffix := range []string{".log", ".out"} {
			text, err := os.ReadFile(filepath.Join(i.Dir, name+suffix))
			if err != nil || len(text) == 0 {
				continue
			}
			fmt.Fprintf(&b, "--- %s%s\n%s\n", name, suffix, text[max(0, len(text)-4000):])
		}
	}
	return b.String()
}
