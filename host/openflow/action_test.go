package openflow

import (
	"reflect"
	"testing"
)

// TestActionsDecodeToThemselves checks that interpreters get back what was put in.
func TestActionsDecodeToThemselves(t *testing.T) {
	for _, s := range samples() {
		actions, err := s.flow.Actions.Decode()
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		if again := Do(actions...); again != s.flow.Actions {
			t.Errorf("%s: %x, want %x", s.name, again.wire, s.flow.Actions.wire)
		}
		for _, a := range actions {
			if u, unknown := a.(UnknownAction); unknown {
				t.Errorf("%s: unknown action %x", s.name, u.Wire)
			}
		}
	}
	want := []Action{
		OutputAction{Port: 3},
		GroupAction{7},
		MeterAction{5},
		ResubmitAction{Table: 9, InPort: 0xfff8},
		DecTTLAction{},
		CTClearAction{},
		ExitAction{},
		SetFieldAction{Reg(1).Masked(0x100, 0xff00)},
		MoveAction{EthSrc.All(), XReg(1).Range(0, 48)},
		StackAction{true, Reg(2).Range(4, 8)},
		ConjunctionAction{ID: 4, Clause: 2, Clauses: 3},
		NoteAction{[]byte("abc")},
		OutputFieldAction{Reg(3).All(), 0xffff},
		Controller{MaxLen: 128, UserData: []byte{1}, MeterID: 2},
		Controller{MaxLen: 5, Reason: ReasonNoMatch, ControllerID: 3},
		CT{Commit: true, Zone: 3, Table: 9, NAT: &NAT{Destination: true, Min: ip("fd00::1"), MinPort: 80}, Exec: []Action{SetFieldAction{CTMark.Is(1)}}},
		CT{ZoneField: Reg(4).Range(16, 16), Table: 0xff},
		Clone{[]Action{OutputAction{Port: 1}}},
		Learn{Table: 3, Priority: 5, Specs: []LearnSpec{LearnMatch(EthType.Is(0x800)), LearnMatchField(IPv4Src.All(), IPv4Dst.All()), LearnOutput(Reg(1).All())}},
	}
	got, err := Do(want...).Decode()
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d actions, error %v; want %d", len(got), err, len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("got %#v, want %#v", got[i], want[i])
		}
	}
}

func TestActionLists(t *testing.T) {
	if Do() != (Actions{}) || !Do().IsDrop() || Do(Output(1)).IsDrop() || Do().String() != "drop" {
		t.Error("doing nothing is not dropping")
	}
	if Do(Output(1)).Then(Output(2)) != Do(Output(1), Output(2)) {
		t.Error("a list and its continuation are not the whole list")
	}
	if Do(Output(1), Output(2)) == Do(Output(2), Output(1)) {
		t.Error("order does not matter")
	}
	if Load(Reg(1), 0, 32, 7).(SetFieldAction) != SetField(Reg(1).Is(7)).(SetFieldAction) {
		t.Error("loading all bits is not setting the field")
	}
}

func TestBrokenActionsAreErrors(t *testing.T) {
	for name, wire := range map[string][]byte{
		"short header":    {0, 0, 0, 8},
		"length 0":        {0, 0, 0, 0, 0, 0, 0, 1},
		"length beyond":   {0, 0, 0, 16, 0, 0, 0, 1},
		"odd length":      {0, 22, 0, 9, 0, 0, 0, 1, 0},
		"short output":    {0, 0, 0, 8, 0, 0, 0, 1},
		"short ct":        {255, 255, 0, 16, 0, 0, 0x23, 0x20, 0, 35, 0, 0, 0, 0, 0, 0},
		"short set_field": {0, 25, 0, 8, 0, 1, 2, 4},
		"bad nested":      {255, 255, 0, 24, 0, 0, 0x23, 0x20, 0, 42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0},
	} {
		if actions, err := (Actions{string(wire)}).Decode(); err == nil {
			t.Errorf("%s: decoded as %v", name, actions)
		}
		// The text must say something all the same.
		if text := (Actions{string(wire)}).String(); text == "" {
			t.Errorf("%s: no text", name)
		}
	}
}
