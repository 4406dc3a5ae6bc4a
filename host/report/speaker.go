package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/sluice-net/sluice/host/api/v1alpha1"
)

// manager is the field manager of what agents write.
const manager = "sluice-agent"

// Module is what an agent makes of a PolicyModule. All agents of one version make the
// same of it, so one can speak for all.
type Module struct {
	Name            string
	UID             string // tells it from one of the same name before it
	Generation      int64
	Digest          string
	Accepted        bool
	Reason, Message string
}

// Policy is what a module says of an object, to its author.
type Policy struct {
	Resource        schema.GroupResource
	Namespace, Name string
	Module          string
	Life            uint64 // tells the object from one of the same name before it
	Accepted        bool
	Reason, Message string
}

// SpeakerOptions of a Speaker. All are needed.
type SpeakerOptions struct {
	Client    dynamic.Interface
	Namespace string // of the lease
	NodeName  string
	Modules   func() []Module
	Policies  func() []Policy
	Nodes     func() int
	Logger    *slog.Logger
}

// Speaker is the one agent, while it holds a lease, that writes what concerns the
// whole cluster: the status of PolicyModules, a condition of ClusterNetworkPolicies,
// and Events about policies that are not in force as written.
type Speaker struct {
	SpeakerOptions
	lease   lease
	written map[string]said // by object
	counted time.Time       // when running was
	running map[string]string
	told    string
}

// said is what was written about an object, and when.
type said struct {
	text string
	at   time.Time
}

// NewSpeaker returns one that has said nothing.
func NewSpeaker(o SpeakerOptions) *Speaker {
	return &Speaker{
		SpeakerOptions: o, lease: lease{client: o.Client, namespace: o.Namespace, holder: o.NodeName, nodes: o.Nodes},
		written: map[string]said{},
	}
}

const (
	speakEvery = 2 * time.Second
	countEvery = 15 * time.Second
	// writesAtOnce bounds what is written in one round.
	writesAtOnce = 20
	// sayAgain is a little less than the API server keeps Events.
	sayAgain = 50 * time.Minute
)

// Run speaks, while it may, until ctx ends.
func (s *Speaker) Run(ctx context.Context) error {
	tick := time.NewTicker(speakEvery)
	defer tick.Stop()
	for {
		held, err := s.lease.hold(ctx, time.Now())
		if held {
			err = s.speak(ctx)
		} else {
			clear(s.written) // another may say something else meanwhile
		}
		if err != nil && ctx.Err() == nil && err.Error() != s.told {
			s.Logger.Warn("conditions and Events are not written; policy is not affected", "error", err)
			s.told = err.Error()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// speak writes what differs from what was written.
func (s *Speaker) speak(ctx context.Context) error {
	var failures []error
	left, now := writesAtOnce, time.Now()
	concerned := map[string]bool{}
	say := func(object, text string, again time.Duration, write func(context.Context) error) {
		concerned[object] = true
		before, there := s.written[object]
		if there && before.text == text && (again == 0 || now.Sub(before.at) < again) || left == 0 {
			return
		}
		left--
		ctx, cancel := context.WithTimeout(ctx, requestTime)
		defer cancel()
		if err := write(ctx); err != nil {
			failures = append(failures, err)
			return
		}
		s.written[object] = said{text, now}
	}
	if err := s.count(ctx, now); err != nil {
		failures = append(failures, err)
	}
	for _, m := range s.Modules() {
		say("PolicyModule "+m.Name, fmt.Sprint(m, s.running[m.Name]), 0, func(ctx context.Context) error { return s.writeModule(ctx, m) })
	}
	for _, p := range s.Policies() {
		object := fmt.Sprint(p.Resource, " ", p.Namespace, "/", p.Name, " ", p.Module)
		switch {
		case p.Resource == clusterPolicies():
			say(object, fmt.Sprint(p), 0, func(ctx context.Context) error { return s.writeCondition(ctx, p) })
		case !p.Accepted || p.Message != "":
			say(object, fmt.Sprint(p), sayAgain, func(ctx context.Context) error { return s.writeEvent(ctx, p) })
		}
	}
	maps.DeleteFunc(s.written, func(object string, _ said) bool { return !concerned[object] })
	return errors.Join(failures...)
}

func clusterPolicies() schema.GroupResource {
	return schema.GroupResource{Group: "policy.networking.k8s.io", Resource: "clusternetworkpolicies"}
}

// count finds out on how many nodes each module runs: at once for one that has come,
// and now and then.
func (s *Speaker) count(ctx context.Context, now time.Time) error {
	come := slices.ContainsFunc(s.Modules(), func(m Module) bool { return s.running[m.Name] == "" })
	if !come && now.Sub(s.counted) < countEvery {
		return nil
	}
	s.counted = now
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	// What the API server has in memory is fresh enough.
	list, err := s.Client.Resource(schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "nodepolicystatuses"}).
		List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return fmt.Errorf("list NodePolicyStatuses: %w", err)
	}
	digests, runs := map[string]string{}, map[string]int{}
	for _, m := range s.Modules() {
		digests[m.Name] = m.Digest
	}
	for i := range list.Items {
		modules, _, _ := unstructured.NestedSlice(list.Items[i].Object, "status", "modules") // the API has checked what it is
		for _, each := range modules {
			m, _ := each.(map[string]any)
			if name, _ := m["name"].(string); m["state"] == "running" && m["digest"] == digests[name] {
				runs[name]++
			}
		}
	}
	s.running = map[string]string{}
	for name := range digests {
		s.running[name] = fmt.Sprintf("%d/%d", runs[name], len(list.Items))
	}
	return nil
}
