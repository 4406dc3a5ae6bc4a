package cluster

import "context"

// wait waits until done, which runs under mu, says so or fails.
func (l *ledger) wait(ctx context.Context, done func() (bool, error)) error {
	for {
		l.mu.Lock()
		ok, err := done()
		changed := l.changed
		l.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// waitOpened waits until the sink has the first complete list.
func (l *ledger) waitOpened(ctx context.Context) error {
	return l.wait(ctx, func() (bool, error) { return l.opened, nil })
}

// waitTold waits until the sink has all objects of a resource, or somebody must
// act before it can.
func (l *ledger) waitTold(ctx context.Context, resource string) error {
	return l.wait(ctx, func() (bool, error) {
		p := l.parts[resource]
		if p == nil {
			return false, nil
		}
		return p.told, p.refused
	})
}

// waitHanded waits until the sink has been told of a change.
func (l *ledger) waitHanded(ctx context.Context, heard uint64) error {
	return l.wait(ctx, func() (bool, error) { return l.handed >= heard, nil })
}
