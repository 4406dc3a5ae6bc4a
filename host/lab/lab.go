package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Lab is a running lab. Its methods may be called from several goroutines,
// except that policies are changed by one at a time.
type Lab struct {
	options  Options
	logger   *slog.Logger
	id       string
	dir      string
	lock     *os.File
	objects  *Objects
	plan     *Plan
	datapath string
	modules  []moduleConfig
	applied  []string
	inForce  bool // the manifests' policies are

	fabric  fabric
	nodes   []*node
	pods    []*pod
	skipped []Skipped
	closing sync.Once
	closed  error
	telling sync.Mutex // held while Options.Progress runs

	listening struct {
		sync.Mutex
		all []*listener
	}
}

// node is one node of the lab; ovs and agent are nil without Sluice.
type node struct {
	plan  NodePlan
	dir   string
	ns    *namespace
	ovs   *OVS
	agent *Agent
}

// Start builds the lab: nodes, Pods and listeners, with every Pod attached and
// no policy in force. Whoever called it closes it; after an error nothing is
// left. It takes about a second per node, and root.
func Start(ctx context.Context, options Options) (*Lab, error) {
	if err := options.Binaries.Check(options.PolicyFree); err != nil {
		return nil, err
	}
	if err := options.checkPrimary(); err != nil {
		return nil, err
	}
	if options.routed() {
		if _, err := os.Stat(filepath.Join(options.Binaries.PluginDir, labPlugin)); err != nil {
			return nil, fmt.Errorf("the plugin of the layout %s is not there (run `make build`): %w", options.Primary, err)
		}
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("a lab needs root, to make network namespaces")
	}
	objects, err := Load(options.Manifests)
	if err != nil {
		return nil, err
	}
	plan, err := NewPlan(objects)
	if err != nil {
		return nil, err
	}
	l := &Lab{options: options, logger: options.Logger, objects: objects, plan: plan}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	if l.datapath, err = chooseDatapath(options.Datapath); err != nil {
		return nil, err
	}
	if err := l.build(ctx); err != nil {
		if cause := ctx.Err(); cause != nil {
			err = fmt.Errorf("building the lab: %w (it was at: %w)", cause, err)
		}
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Lab) build(ctx context.Context) error {
	for _, note := range l.plan.Notes {
		l.progress("%s", note)
	}
	if err := l.makeDir(); err != nil {
		return err
	}
	if err := l.copyModules(); err != nil {
		return err
	}
	if err := l.writeObjects(); err != nil {
		return err
	}
	l.progress("lab %s: %s, %s in %s", l.id, count(len(l.plan.Nodes), "node"), count(len(l.plan.Pods), "Pod"), l.dir)
	if err := l.makeNamespaces(ctx); err != nil {
		return err
	}
	if err := l.startNodes(ctx); err != nil {
		return err
	}
	if !l.options.PolicyFree && !l.options.Later {
		if err := l.WaitRealised(ctx); err != nil {
			return err
		}
	}
	if err := l.attachPods(ctx); err != nil {
		return err
	}
	return l.listenEverywhere()
}

// count writes "1 node" or "2 nodes".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (l *Lab) progress(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	l.logger.Debug(line)
	if l.options.Progress != nil {
		l.telling.Lock()
		defer l.telling.Unlock()
		l.options.Progress(line)
	}
}

func (l *Lab) eachNode(f func(*node) error) error {
	errs := make([]error, len(l.nodes))
	var group sync.WaitGroup
	for i, n := range l.nodes {
		group.Go(func() {
			if err := f(n); err != nil {
				errs[i] = fmt.Errorf("node %s: %w", n.plan.Name, err)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func (l *Lab) node(name string) *node {
	i := slices.IndexFunc(l.nodes, func(n *node) bool { return n.plan.Name == name })
	if i < 0 {
		return nil
	}
	return l.nodes[i]
}

func (l *Lab) pod(key string) *pod {
	i := slices.IndexFunc(l.pods, func(p *pod) bool { return p.plan.Key() == key })
	if i < 0 {
		return nil
	}
	return l.pods[i]
}

// ID names the lab; no other lab on the machine has it.
func (l *Lab) ID() string { return l.id }

// Dir holds everything that the lab wrote: configurations, logs, sockets,
// rendered manifests, and the namespaces under netns/.
func (l *Lab) Dir() string { return l.dir }

// Plan says which addresses everything has.
func (l *Lab) Plan() *Plan { return l.plan }

// Primary is the plugin, or the cloud, whose layout nodes and Pods have.
func (l *Lab) Primary() string { return cmp.Or(l.options.Primary, PrimaryPTP) }

// Datapath is the datapath in use.
func (l *Lab) Datapath() string { return l.datapath }

// Agent is the agent of a node, nil without such a node or without Sluice.
func (l *Lab) Agent(node string) *Agent {
	if n := l.node(node); n != nil {
		return n.agent
	}
	return nil
}

// OVS is the switch of a node, nil without such a node or without Sluice.
func (l *Lab) OVS(node string) *OVS {
	if n := l.node(node); n != nil {
		return n.ovs
	}
	return nil
}

// Enter is the command line with which a person enters a namespace of the lab:
// that of a node, of a Pod (namespace/name), or "external" or "router".
func (l *Lab) Enter(name string) string {
	ns := l.fabric.external
	switch {
	case name == "router":
		ns = l.fabric.router
	case l.pod(name) != nil:
		ns = l.pod(name).ns
	case l.node(strings.TrimPrefix(name, "host:")) != nil:
		ns = l.node(strings.TrimPrefix(name, "host:")).ns
	}
	return "nsenter --net=" + ns.path
}
