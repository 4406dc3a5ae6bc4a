package cluster

import (
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// offlineAfter is how long a source that starts waits for the API server before it
// goes by what is on disk.
const offlineAfter = 5 * time.Second

// openArchive reads what is on disk into the ledger, where it waits until it is
// wanted. Without an archive everything works on a nil one.
func (k *Kubernetes) openArchive() *archive {
	if k.options.Keep == "" {
		return nil
	}
	a, err := openArchive(k.options.Keep, k.log)
	if err != nil {
		k.log.Error("what was kept on disk is not used; it is written anew once the API server has answered", "error", err)
		k.ledger.damaged(Problem{File: k.options.Keep, Reason: err.Error() + "; it is not used, and written anew once the API server has answered"})
	}
	if len(a.complete) > 0 {
		k.log.Info("objects are kept on disk", "file", k.options.Keep, "resources", len(a.complete), "first complete", a.began)
	}
	return a
}

// goOffline takes what is on disk, unless the API server has answered in the meantime.
func (k *Kubernetes) goOffline(archive *archive) {
	if k.ledger.hasStarted() {
		return
	}
	entries, err := archive.read()
	if err != nil {
		k.log.Error("what was kept on disk is not used", "error", err)
		k.ledger.damaged(Problem{File: k.options.Keep, Reason: err.Error() + "; it is not used"})
		return
	}
	if k.ledger.goOffline(append(k.own(), k.options.First...), entries) {
		k.log.Warn("the API server does not answer: what was in force before is taken from disk", "server", k.api.server)
	}
}

// FromDisk is since when what was read from disk is delivered in place of what the
// API server has; zero: it is not.
func (k *Kubernetes) FromDisk() time.Time { return k.ledger.fromDiskSince() }

// damaged keeps a problem until the first complete list.
func (l *ledger) damaged(p Problem) {
	p.tidy()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.damage = &p
}

// restore gives a part that the API server has not listed what the disk holds of it. The
// caller holds mu.
func (l *ledger) restore(p *part) {
	entries, there := l.archived[p.stream.resource]
	delete(l.archived, p.stream.resource)
	if !there || p.listed {
		return
	}
	for i := range entries {
		item, err := p.stream.readKept(&entries[i])
		if err != nil || item.event.JSON == nil && p.stream.whole {
			return // as if it had not been kept: the API server has it
		}
		l.enter(p, item)
	}
	p.archived = true
}

// readKept makes an item of what was kept.
func (s *stream) readKept(e *archiveEntry) (item, error) {
	if e.Whole {
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(e.Object); err != nil {
			return item{}, err
		}
		return s.readWhole(object)
	}
	object := emptyOf(s.resource)
	if object == nil {
		return item{}, fmt.Errorf("%s was not kept whole", s.resource)
	}
	if err := json.Unmarshal(e.Object, object); err != nil {
		return item{}, err
	}
	return s.readSlim(object), nil
}

// fromDisk says whether a part is delivered as the disk has it. The caller holds mu.
func (l *ledger) fromDisk(p *part) bool { return l.offline && p.archived && !p.listed }

// hasStarted says that the first complete list was taken.
func (l *ledger) hasStarted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.started
}

// goOffline makes what is on disk count, by resource, unless the API server has
// answered in the meantime, or the disk does not hold all that must be there.
func (l *ledger) goOffline(must []string, archived map[string][]archiveEntry) bool {
	l.mu.Lock()
	defer l.signal()
	defer l.mu.Unlock()
	if l.started {
		return false
	}
	l.archived = archived
	for _, p := range l.parts {
		l.restore(p)
	}
	for _, resource := range must {
		if p := l.parts[resource]; p == nil || !p.listed && !p.archived {
			return false
		}
	}
	l.offline, l.offlineSince = true, time.Now()
	return true
}

// fromDiskSince is zero as soon as every part that began on disk was listed.
func (l *ledger) fromDiskSince() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.parts {
		if l.fromDisk(p) {
			return l.offlineSince
		}
	}
	return time.Time{}
}

// diskProblems are about what is on disk. The caller holds mu.
func (l *ledger) diskProblems() []Problem {
	var problems []Problem
	if l.damage != nil && !l.started {
		problems = append(problems, *l.damage)
	}
	for _, p := range l.parts {
		if l.fromDisk(p) {
			return append(problems, Problem{
				File:   p.stream.source.api.server,
				Reason: "has not answered since the agent started: what is in force is what was kept on disk, and nothing newer, until it does",
			})
		}
	}
	return problems
}
