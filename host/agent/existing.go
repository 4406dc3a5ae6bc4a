package agent

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/sluice-net/sluice/host/attach"
)

// For the first minute an agent looks for Pods that were there before it: the
// status of a Pod that has just been made may be written a moment later.
const (
	adoptPause = 5 * time.Second
	adoptTries = 12
)

// seen are the Pods that were on the bridge in the agent's life. They are not
// adopted without being asked for: they are, or were ejected or deleted.
type seen struct {
	mu   sync.Mutex
	pods map[string]bool
}

func (s *seen) add(namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pods == nil {
		s.pods = map[string]bool{}
	}
	s.pods[namespace+"/"+name] = true
}

func (s *seen) has(namespace, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pods[namespace+"/"+name]
}

// adoptExisting brings onto the bridge the Pods that ran before the agent did.
func (a *agent) adoptExisting(ctx context.Context) error {
	select {
	case <-a.engine.ready:
	case <-ctx.Done():
		return nil
	}
	last := map[string]string{}
	for range adoptTries {
		if a.retired.Load() {
			return nil
		}
		last = a.adoptUnseen(ctx)
		select {
		case <-time.After(adoptPause):
		case <-ctx.Done():
			return nil
		}
	}
	for pod, why := range last {
		a.log.Error("a Pod that was running before could not be adopted and is not policed; try `sluicectl adopt`", "pod", pod, "error", why)
	}
	return nil
}

// adoptUnseen tries once and returns why it did not succeed, by Pod.
func (a *agent) adoptUnseen(ctx context.Context) map[string]string {
	failed := map[string]string{}
	pods, err := a.runningPods(ctx)
	if err != nil {
		return failed // only the end of ctx can cause it
	}
	var rest []attach.Running
	for _, p := range pods {
		if !a.seen.has(p.Namespace, p.Name) {
			rest = append(rest, p)
		}
	}
	for _, p := range a.adopt(ctx, rest).Pods {
		if p.Error != "" {
			failed[p.Pod] = strings.TrimPrefix(p.Error, "adopt Pod "+p.Pod+": ")
		}
	}
	return failed
}
