package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/dynamic"

	"github.com/sluice-net/sluice/host/attach"
	"github.com/sluice-net/sluice/host/catalog"
	"github.com/sluice-net/sluice/host/cluster"
	"github.com/sluice-net/sluice/host/datapath"
	"github.com/sluice-net/sluice/host/hostnet"
	"github.com/sluice-net/sluice/host/observe"
	"github.com/sluice-net/sluice/host/ovsdb"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/proxy"
)

// Options of Run.
type Options struct {
	Config  Config // as LoadConfig gives it
	Logger  *slog.Logger
	Version string
	// Builtin finds a module that the program carries in itself.
	Builtin func(name string) ([]byte, error)
}

// agent holds the parts while they run.
type agent struct {
	Options
	log        *slog.Logger
	engine     *engine
	source     cluster.Source
	kube       *cluster.Kubernetes // the source; nil without Kubernetes
	api        dynamic.Interface   // to write to; nil without Kubernetes
	specs      []plugin.Spec
	supervisor *plugin.Supervisor
	catalog    *catalog.Catalog
	attacher   *attach.Attacher
	bridgeLink *bridgeLink
	host       *hostnet.Host
	datapath   string // as the bridge has it
	conflist   *chain // nil: somebody else chains sluice-cni
	primary    *chooser
	retired    atomic.Bool // uninstalled
	seen       seen
	audit      *audit // nil: no audit log
	progress   progress
	realising  *realising
	shadows    shadows
	names      *nameWatch
	metrics    metrics
}

// Run is the agent: it returns when ctx ends, with every part ended and every
// sandbox gone, or with the reason why it could not start. Flows, ports and routes stay
// as they are: packets do not need the agent.
func Run(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	host, err := hostnet.Current(o.Config.SysctlDir)
	if err != nil {
		return err
	}
	defer host.Close()
	ovs, err := connectOVS(ctx, o.Config.OVS.Database, o.Logger)
	if err != nil {
		return err
	}
	defer ovs.Close()
	a := &agent{Options: o, log: o.Logger, metrics: newMetrics(), realising: newRealising()}
	if err := a.build(ctx, host, ovs); err != nil {
		return err
	}
	return a.run(ctx, cancel, host)
}

// build makes the parts and brings back what an agent before this one knew.
func (a *agent) build(ctx context.Context, host *hostnet.Host, ovs *ovsdb.Client) error {
	c := a.Config
	a.host = host
	var err error
	if a.specs, err = ModuleSpecs(c.Modules, a.Builtin); err != nil {
		return err
	}
	if a.source, err = a.newSource(ctx); err != nil {
		return err
	}
	kind := c.OVS.Datapath
	if kind == DatapathAuto {
		if kind, err = ovs.ChooseDatapath(ctx); err != nil {
			return err
		}
	}
	a.datapath = kind
	a.primary = newChooser(c.CNI, host, a.log)
	a.attacher, err = attach.New(attach.Options{
		Host: host, OVS: ovs, Logger: a.log, Node: node{a}, Primary: a.primary.profile,
		Bridge:  ovsdb.BridgeOptions{Name: c.OVS.Bridge, DatapathType: kind},
		Gateway: attach.GatewayOptions{Name: c.OVS.Gateway},
	})
	if err != nil {
		return err
	}
	if *c.CNI.Install {
		if a.conflist, err = newChain(a); err != nil {
			return err
		}
	}
	a.engine = newEngine(a.log, mustCommit(c.Modules), datapath.Limits(c.Limits))
	if *c.Services.Enabled {
		// Nobody writes EndpointSlices for a directory of manifests.
		model := proxy.New(proxy.Options{NodeName: c.NodeName, EndpointsFromPods: c.Manifests != ""})
		a.engine.services = newServices(a.log, model, a.engine.dp, a.metrics.services)
	}
	if err := a.openAudit(); err != nil {
		return err
	}
	if a.supervisor, err = a.modules(); err != nil {
		return err
	}
	observe.RegisterModules(a.metrics.registry, moduleSamples(a.supervisor))
	a.catalog = a.newCatalog()
	attached, err := a.attacher.Restore(ctx)
	if err != nil {
		return err
	}
	gateway := a.attacher.Gateway()
	a.engine.dp.SetGateway(datapath.Gateway{OFPort: gateway.OFPort, MAC: gateway.MAC})
	for _, pod := range attached {
		local := datapath.LocalPod(pod.Pod())
		a.engine.dp.PutPod(local)
		a.engine.services.attach(local.Namespace, local.Name, local.Addresses)
		a.seen.add(pod.Namespace, pod.Name)
	}
	a.names = a.newNames()
	a.bridgeLink = &bridgeLink{
		path: filepath.Join(c.OVS.RunDir, c.OVS.Bridge+".mgmt"), engine: a.engine, log: a.log, first: make(chan struct{}), over: a.retired.Load,
		hear: a.hearing().listen, begun: a.admitSmallFragments,
	}
	a.log.Info("node restored", "bridge", c.OVS.Bridge, "datapath", kind, "pods", len(attached))
	return nil
}

func mustCommit(modules []ModuleConfig) []string {
	var names []string
	for _, m := range modules {
		if m.OnFirstFailure == Hold && m.Mode != Shadow { // a shadow keeps nobody out
			names = append(names, m.Name)
		}
	}
	return names
}

// modules makes the supervisor; it starts with the first events.
func (a *agent) modules() (*plugin.Supervisor, error) {
	path := a.Config.Sandbox.Path
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("sandbox.path is not set, and where this program is cannot be told: %w", err)
		}
		path = filepath.Join(filepath.Dir(self), "sluice-sandbox")
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("sandbox.path: %w: it must name the program sluice-sandbox", err)
	}
	return plugin.New(plugin.Options{
		Committer: a.engine, Watch: a.source.Watch, Unwatch: a.source.Unwatch, SandboxPath: path, Logger: a.log, RecordingDir: a.Config.Sandbox.RecordingDir,
		LoadTimeout: time.Duration(a.Config.Sandbox.LoadTimeoutSeconds) * time.Second, Reviewer: foresight{a.engine},
	})
}

// run starts the parts in the order in which they need each other, and ends
// all of them when one cannot go on.
func (a *agent) run(ctx context.Context, cancel context.CancelFunc, host *hostnet.Host) error {
	var parts sync.WaitGroup
	failed := make(chan error, 16)
	start := func(name string, part func(context.Context) error) {
		parts.Add(1)
		go func() {
			defer parts.Done()
			if err := part(ctx); err != nil && !errors.Is(err, context.Canceled) {
				failed <- fmt.Errorf("%s: %w", name, err)
				cancel()
			}
		}()
	}
	defer func() {
		cancel()
		a.supervisor.Close()
		parts.Wait()
	}()

	admin := a.adminServer()
	serveAdmin, err := admin.Listen(ctx)
	if err != nil {
		return err
	}
	start("admin API", serveAdmin)
	if err := a.install(); err != nil {
		return err
	}
	cni, err := attach.Listen(a.Config.CNISocket, a.attacher, a.log)
	if err != nil {
		return err
	}
	if err := a.serveProbes(ctx, start); err != nil {
		return err
	}
	start("engine", func(ctx context.Context) error { a.engine.run(ctx); return nil })
	start("bridge", a.bridgeLink.run)
	if a.audit != nil {
		start("audit log", a.audit.run)
	}
	start("node addresses", func(ctx context.Context) error { return a.followAddresses(ctx, host) })
	start("modules", a.catalog.Run)
	if a.kube != nil {
		start("what is in force", a.realise)
		start("status in the API", a.reportNode)
		start("conditions and Events", a.speak)
	}
	start("source of objects", func(ctx context.Context) error {
		// The flows that are there come first: numbers that they use are kept.
		select {
		case <-a.bridgeLink.first:
		case <-ctx.Done():
			return nil
		}
		return a.source.Run(ctx, sink{a, ctx})
	})
	start("CNI", cni.Serve)
	start("attachments", func(ctx context.Context) error { return a.attacher.Run(ctx, a.repaired) })
	start("flows", a.patrol)
	start("adopted connections", a.watchWindows)
	start("stale connections", a.forgetStale)
	start("shadows", a.watchShadows)
	start("memory", a.giveBack)
	start("names", a.names.run)
	start("copies of modules", a.pruneCopies)
	if a.conflist != nil {
		start("CNI configuration", a.conflist.run)
	}
	if *a.Config.AdoptExistingPods {
		start("adoption", a.adoptExisting)
	}

	<-ctx.Done()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// followAddresses keeps the engine told of the node's own addresses.
func (a *agent) followAddresses(ctx context.Context, host *hostnet.Host) error {
	changed := make(chan struct{}, 1)
	if err := host.WatchAddresses(ctx, changed); err != nil {
		return err
	}
	look := time.NewTicker(addressesEvery)
	defer look.Stop()
	for {
		addrs, err := host.Addresses()
		if err == nil {
			err = a.engine.SetNodeAddresses(ctx, addrs)
		}
		if err != nil && ctx.Err() == nil {
			a.log.Error("following the node's addresses; those last known stay", "error", err)
		}
		select {
		case <-changed:
		case <-look.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// addressesEvery is how often the node's addresses are looked at without a notice.
const addressesEvery = 30 * time.Second
