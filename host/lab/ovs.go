package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
)

// OVS is the Open vSwitch instance of one node: a database server and a switch
// daemon of its own, in the node's namespace, with every file and socket in one
// directory.
type OVS struct {
	dir      string
	ns       *namespace
	logger   *slog.Logger
	database *process
	daemon   *process
}

// bridgeName is the bridge that the agent makes.
const (
	bridgeName  = "br-sluice"
	gatewayName = "sluice-gw0"
)

// startOVS makes an empty database and starts both daemons. The bridge is the
// agent's to make.
func startOVS(ctx context.Context, dir string, ns *namespace, logger *slog.Logger) (*OVS, error) {
	o := &OVS{dir: dir, ns: ns, logger: logger}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	const schema = "/usr/share/openvswitch/vswitch.ovsschema"
	if _, err := o.run(ctx, "ovsdb-tool", "create", filepath.Join(dir, "conf.db"), schema); err != nil {
		return nil, err
	}
	var err error
	o.database, err = ns.start("ovsdb-server", filepath.Join(dir, "ovsdb-server.out"), o.command(context.WithoutCancel(ctx), "ovsdb-server",
		filepath.Join(dir, "conf.db"), "--remote=punix:"+o.databaseSocket(), "--pidfile", "--log-file", "-vconsole:warn"), logger)
	if err != nil {
		return o, fmt.Errorf("%w (Debian: apt-get install openvswitch-switch)", err)
	}
	if err := o.database.until(ctx, "its socket", func() error { return answers(o.databaseSocket()) }); err != nil {
		return o, err
	}
	if _, err := o.run(ctx, "ovs-vsctl", "--db="+o.Database(), "--no-wait", "init"); err != nil {
		return o, err
	}
	return o, o.StartSwitch(ctx)
}

// StartSwitch starts ovs-vswitchd, unless it runs.
func (o *OVS) StartSwitch(ctx context.Context) error {
	if o.daemon != nil && o.daemon.runs() {
		return nil
	}
	var err error
	o.daemon, err = o.ns.start("ovs-vswitchd", filepath.Join(o.dir, "ovs-vswitchd.out"), o.command(context.WithoutCancel(ctx), "ovs-vswitchd",
		o.Database(), "--pidfile", "--log-file", "-vconsole:warn"), o.logger)
	return err
}

// KillSwitch ends ovs-vswitchd with SIGKILL.
func (o *OVS) KillSwitch() error { return o.daemon.kill() }

// Dir holds the instance's sockets, database and logs.
func (o *OVS) Dir() string { return o.dir }

// Database is where the database server listens, in the form "unix:PATH".
func (o *OVS) Database() string { return "unix:" + o.databaseSocket() }

// Management is the OpenFlow socket of the bridge.
func (o *OVS) Management() string { return filepath.Join(o.dir, bridgeName+".mgmt") }

func (o *OVS) databaseSocket() string { return filepath.Join(o.dir, "db.sock") }

// DumpFlows is what `ovs-ofctl dump-flows` prints for the bridge, in OpenFlow
// 1.5, without the lines that are no flows.
func (o *OVS) DumpFlows(ctx context.Context) (string, error) {
	out, err := o.run(ctx, "ovs-ofctl", "-O", "OpenFlow15", "--names", "--no-stats", "dump-flows", "unix:"+o.Management())
	if err != nil {
		return "", err
	}
	var flows strings.Builder
	for line := range strings.Lines(out) {
		if strings.Contains(line, "actions=") {
			flows.WriteString(strings.TrimSpace(line) + "\n")
		}
	}
	return flows.String(), nil
}

// Run runs one of Open vSwitch's own tools against this instance (ovs-vsctl and
// ovs-appctl find it by themselves) and gives what it printed.
func (o *OVS) Run(ctx context.Context, tool string, args ...string) (string, error) {
	return o.run(ctx, tool, args...)
}

func (o *OVS) run(ctx context.Context, tool string, args ...string) (string, error) {
	var stderr strings.Builder
	command := o.command(ctx, tool, args...)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", tool, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

func (o *OVS) command(ctx context.Context, tool string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, tool, args...)
	command.Env = append(os.Environ(),
		"OVS_RUNDIR="+o.dir, "OVS_LOGDIR="+o.dir, "OVS_DBDIR="+o.dir, "OVS_SYSCONFDIR="+o.dir)
	return command
}

func (o *OVS) stop() error {
	var errs []error
	for _, p := range []*process{o.daemon, o.database} {
		if p != nil {
			errs = append(errs, p.kill())
		}
	}
	return errors.Join(errs...)
}

// answers tells whether somebody accepts connections on a unix socket.
func answers(socket string) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	return conn.Close()
}

// chooseDatapath settles which datapath to use.
func chooseDatapath(wanted string) (string, error) {
	_, missing := netlink.GenlFamilyGet("ovs_datapath")
	switch {
	case wanted == "" && missing == nil:
		return DatapathSystem, nil
	case wanted == "":
		return DatapathNetdev, nil
	case wanted == DatapathSystem && missing != nil:
		return "", fmt.Errorf("datapath %q: this kernel has no Open vSwitch datapath (modprobe openvswitch), use %q: %w", wanted, DatapathNetdev, missing)
	case wanted == DatapathSystem, wanted == DatapathNetdev:
		return wanted, nil
	}
	return "", fmt.Errorf("datapath %q: choose %q or %q", wanted, DatapathNetdev, DatapathSystem)
}
