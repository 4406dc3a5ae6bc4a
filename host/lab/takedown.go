package lab

import (
	"errors"
	"fmt"
	"os"
)

// Close takes everything down: programs, listeners, namespaces with all their
// devices, and the directory. Doing it again is harmless and gives the same
// answer.
func (l *Lab) Close() error {
	l.closing.Do(func() { l.closed = l.takeDown() })
	return l.closed
}

func (l *Lab) takeDown() error {
	var errs []error
	l.stopListening("")
	for _, n := range l.nodes {
		if n.agent != nil && n.agent.process != nil {
			errs = append(errs, n.agent.Kill())
		}
		if n.ovs != nil {
			errs = append(errs, n.ovs.stop())
		}
	}
	for _, p := range l.pods {
		if p.ns != nil && !p.plan.HostNetwork {
			errs = append(errs, p.ns.remove())
		}
	}
	for _, n := range l.nodes {
		errs = append(errs, n.ns.remove())
	}
	for _, ns := range []*namespace{l.fabric.router, l.fabric.external} {
		if ns != nil {
			errs = append(errs, ns.remove())
		}
	}
	if l.dir != "" {
		errs = append(errs, os.RemoveAll(l.dir))
	}
	if l.lock != nil {
		errs = append(errs, l.lock.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("taking lab %s down: %w", l.id, err)
	}
	return nil
}
