package sluice

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
)

// recorder is an Output that keeps what it is given.
type recorder struct {
	t      *testing.T
	calls  int
	bytes  []int // of each call of Emit
	got    []abi.Request
	logs   []string
	answer func(call int) abi.EmitError
}

func (r *recorder) Emit(b []byte) abi.EmitError {
	r.calls++
	r.bytes = append(r.bytes, len(b))
	if err := abi.DecodeRequests(b, func(q abi.Request) error { r.got = append(r.got, q); return nil }); err != nil {
		r.t.Error(err)
	}
	if r.answer != nil {
		return r.answer(r.calls)
	}
	return abi.OK
}

func (r *recorder) Log(level abi.LogLevel, text string) {
	r.logs = append(r.logs, fmt.Sprint(int(level), " ", text))
}

// names lists what was emitted since the last call: "+set a", "-rule b".
func (r *recorder) names() string {
	var list []string
	for _, q := range r.got {
		switch q := q.(type) {
		case *abi.PutSet:
			list = append(list, "+set "+q.Name)
		case *abi.PatchSet:
			list = append(list, "*set "+q.Name)
		case *abi.DeleteSet:
			list = append(list, "-set "+q.Name)
		case *abi.PutRule:
			list = append(list, "+rule "+q.Name)
		case *abi.DeleteRule:
			list = append(list, "-rule "+q.Name)
		case *abi.PutIsolation:
			list = append(list, "+isolation "+q.Name)
		case *abi.DeleteIsolation:
			list = append(list, "-isolation "+q.Name)
		case *abi.Report:
			list = append(list, "report "+q.Condition.Reason)
		}
	}
	r.got = nil
	return strings.Join(list, ", ")
}

// scripted is a module whose Put runs whatever the test says.
type scripted struct {
	put    func(tx *Tx, o Object) error
	finish func(tx *Tx) error
	trace  []string
}

func (s *scripted) Reset() { s.trace = append(s.trace, "reset") }

func (s *scripted) Configure(_ *Tx, json []byte) error {
	s.trace = append(s.trace, "configure "+string(json))
	return nil
}

func (s *scripted) Put(tx *Tx, o Object) error {
	s.trace = append(s.trace, "put "+o.ID()+" "+string(o.JSON))
	if s.put != nil {
		return s.put(tx, o)
	}
	return nil
}

func (s *scripted) Delete(_ *Tx, o Object) error {
	s.trace = append(s.trace, "delete "+o.ID())
	return nil
}

func (s *scripted) Tick(_ *Tx, unixNanos int64) error {
	s.trace = append(s.trace, fmt.Sprint("tick ", unixNanos))
	return nil
}

func (s *scripted) Finish(tx *Tx) error {
	s.trace = append(s.trace, fmt.Sprint("finish ", tx.Sequence(), tx.Reset()))
	if s.finish != nil {
		return s.finish(tx)
	}
	return nil
}

// put is a batch of one object.
var one = abi.AppendEventBatch(nil, &abi.EventBatch{Sequence: 1, Events: []abi.Event{&abi.ObjectPut{Resource: "pods", Namespace: "n", Name: "p"}}})

var errScripted = errors.New("scripted")

func start(t *testing.T, put func(tx *Tx, o Object) error) (*Instance, *recorder) {
	r := &recorder{t: t}
	return NewInstance(&scripted{put: put}, r), r
}

func set(name string) *abi.PutSet {
	return &abi.PutSet{Name: name, Spec: &abi.Pods{Namespaces: []string{"n"}}}
}

func rule(name string, priority int32) *abi.PutRule {
	return &abi.PutRule{Name: name, Spec: abi.RuleSpec{Priority: priority}}
}
