package abi

import (
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// A rule inside its request, with b as the bytes of the RuleSpec.
func ruleWith(b ...byte) []byte {
	rule := append([]byte{0x12, byte(len(b))}, b...)
	put := append([]byte{0x22, byte(len(rule))}, rule...)
	return append([]byte{0x0a, byte(len(put))}, put...)
}

func TestMalformedRequests(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want DecodeError
	}{
		{"tag is cut short", []byte{0x8a}, DecodeError{0, "", "varint is cut short"}},
		{"field number 0", []byte{0x02, 0x00}, DecodeError{0, "", "field number is not between 1 and 536870911"}},
		{"field number too large", []byte{0xff, 0xff, 0xff, 0xff, 0x1f, 0x00}, DecodeError{0, "", "field number is not between 1 and 536870911"}},
		{"varint too long", []byte{0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, DecodeError{1, "", "varint is longer than 64 bits"}},
		{"length beyond the end", []byte{0x0a, 0x05, 0x22}, DecodeError{1, "FlowRequest", "length 5 is more than the 1 bytes that follow"}},
		{"length beyond everything", []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, DecodeError{1, "FlowRequest", "length 18446744073709551615 is more than the 0 bytes that follow"}},
		{"inner length beyond the outer end", []byte{0x0a, 0x03, 0x22, 0x02, 0x0a, 0x0a, 0x00}, DecodeError{3, "FlowRequest.put_rule", "length 2 is more than the 1 bytes that follow"}},
		{"wire type", []byte{0x08, 0x00}, DecodeError{0, "FlowRequest", "wire type is 0, must be 2"}},
		{"group", []byte{0x13, 0x14}, DecodeError{0, "", "field 2 has wire type 3, which this contract does not use"}},
		{"fixed64 cut short", []byte{0x11, 1, 2, 3}, DecodeError{0, "", "field 2 is cut short"}},
		{"fixed32 cut short", []byte{0x15, 1, 2, 3}, DecodeError{0, "", "field 2 is cut short"}},
		{"no kind", []byte{0x0a, 0x00}, DecodeError{0, "FlowRequest", "no kind of request that this version knows"}},
		{"unknown kind", []byte{0x0a, 0x02, 0x4a, 0x00}, DecodeError{0, "FlowRequest", "no kind of request that this version knows"}},
		{"text is not UTF-8", []byte{0x0a, 0x05, 0x1a, 0x03, 0x0a, 0x01, 0xff}, DecodeError{4, "FlowRequest.delete_set.name", "is not valid UTF-8"}},
		{"unknown tier", ruleWith(0x08, 4), DecodeError{7, "FlowRequest.put_rule.rule.tier", "4 is more than 3"}},
		{"unknown direction", ruleWith(0x10, 3), DecodeError{7, "FlowRequest.put_rule.rule.direction", "3 is more than 2"}},
		{"an action that would be cut to Allow", ruleWith(0x40, 0x81, 0x02), DecodeError{7, "FlowRequest.put_rule.rule.action", "257 is more than 4"}},
		{"priority beyond 32 bits", ruleWith(0x18, 0xff, 0xff, 0xff, 0xff, 0x0f), DecodeError{7, "FlowRequest.put_rule.rule.priority", "4294967295 does not fit into 32 bits (a negative number takes ten bytes)"}},
		{"port beyond 16 bits", ruleWith(0x3a, 0x04, 0x10, 0x80, 0x80, 0x04), DecodeError{9, "FlowRequest.put_rule.rule.ports.first", "65536 is more than 65535"}},
		{"protocol beyond 8 bits", ruleWith(0x3a, 0x03, 0x08, 0x86, 0x02), DecodeError{9, "FlowRequest.put_rule.rule.ports.protocol", "262 is more than 255"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := decodeAll(c.in)
			var got *DecodeError
			if !errors.As(err, &got) {
				t.Fatalf("error is %v, want a *DecodeError", err)
			}
			if *got != c.want {
				t.Errorf("got  %+v\nwant %+v", *got, c.want)
			}
		})
	}
}

func TestMalformedBatch(t *testing.T) {
	in := AppendEventBatch(nil, &EventBatch{Sequence: 1, Events: []Event{&Tick{}}})
	in = append(in, 0x1a, 0x04, 0x12, 0x02, 0x28, 0x80) // a generation that does not end
	const want = "abi: EventBatch.events.object_put.generation at offset 11: varint is cut short"
	if _, err := DecodeEventBatch(in); err == nil || err.Error() != want {
		t.Errorf("DecodeEventBatch: %v, want %s", err, want)
	}
	n := 0
	err := DecodeEvents(in, func(Event) error { n++; return nil })
	if err == nil || err.Error() != want || n != 1 {
		t.Errorf("DecodeEvents: %v after %d events, want %s after 1", err, n, want)
	}
	if sequence, _, err := DecodeBatchHead(in); sequence != 1 || err != nil {
		t.Errorf("DecodeBatchHead looks into events: %d, %v", sequence, err)
	}
	if _, err := DecodeEventBatch([]byte{0x0a, 0x00}); err == nil || !strings.Contains(err.Error(), "EventBatch.sequence") {
		t.Errorf("wire type of sequence: %v", err)
	}
}

// Every prefix of a good message is read without a panic, and is either a
// fault or a shorter message.
func TestPrefixes(t *testing.T) {
	for _, v := range vectors() {
		b := v.encode()
		if len(b) > 1000 {
			continue
		}
		for i := range b {
			_, _ = DecodeEventBatch(b[:i:i])
			_, _ = decodeAll(b[:i:i])
		}
	}
}

func TestYieldErrorEndsTheReading(t *testing.T) {
	b := appendAll(nil, []Request{&DeleteSet{Name: "a"}, &DeleteSet{Name: "b"}})
	stop := errors.New("stop")
	n := 0
	err := DecodeRequests(b, func(Request) error { n++; return stop })
	if err != stop || n != 1 {
		t.Errorf("got %v after %d requests, want %v after 1", err, n, stop)
	}
	events := AppendEventBatch(nil, &EventBatch{Events: []Event{&Tick{}, &Tick{}}})
	n = 0
	if err := DecodeEvents(events, func(Event) error { n++; return stop }); err != stop || n != 1 {
		t.Errorf("got %v after %d events, want %v after 1", err, n, stop)
	}
}

func TestDecodeRequest(t *testing.T) {
	one := AppendRequest(nil, &DeleteRule{Name: "r"})
	if got, err := DecodeRequest(one); err != nil || !reflect.DeepEqual(got, &DeleteRule{Name: "r"}) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := DecodeRequest(append(one, one...)); err == nil {
		t.Error("two requests are taken for one")
	}
	if _, err := DecodeRequest(nil); err == nil {
		t.Error("no request is taken for one")
	}
	if _, err := DecodeRequest(AppendRequest(nil, nil)); err == nil {
		t.Error("a nil request is read back as something")
	}
}

func TestWhoOwnsMemory(t *testing.T) {
	b := AppendEventBatch(nil, &EventBatch{Events: []Event{&ObjectPut{Resource: "pods", Namespace: "n", Name: "p", UID: "u", JSON: []byte("{}")}}})
	batch, err := DecodeEventBatch(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	put := batch.Events[0].(*ObjectPut)
	if put.Resource != "pods" || put.Namespace != "n" || put.Name != "p" || put.UID != "u" {
		t.Errorf("strings changed with the input: %+v", put)
	}
	if string(put.JSON) != "\x00\x00" {
		t.Errorf("JSON is a copy (%q); the documentation says that it is not", put.JSON)
	}
	if cap(put.JSON) != 2 {
		t.Errorf("JSON has room for %d bytes: appending to it would write over the batch", cap(put.JSON))
	}
}

// The smallest messages that make the largest structs.
func TestExpansionIsBounded(t *testing.T) {
	repeat := func(n int, piece ...byte) []byte { return []byte(strings.Repeat(string(piece), n)) }
	inside := func(tag byte, body []byte) []byte {
		return append(appendVarint([]byte{tag}, uint64(len(body))), body...)
	}
	const n = 1 << 18
	for name, in := range map[string][]byte{
		"events":       repeat(n, 0x1a, 0x02, 0x12, 0x00),
		"names":        inside(0x0a, inside(0x22, inside(0x12, repeat(n, 0x22, 0x00)))),
		"ports":        inside(0x0a, inside(0x22, inside(0x12, repeat(n, 0x3a, 0x00)))),
		"icmp":         inside(0x0a, inside(0x22, inside(0x12, repeat(n, 0x3a, 0x02, 0x2a, 0x00)))),
		"requirements": inside(0x0a, inside(0x0a, inside(0x12, inside(0x1a, repeat(n, 0x0a, 0x00))))),
		"blocks":       inside(0x0a, inside(0x12, repeat(n, 0x12, 0x00))),
		"kinds":        inside(0x0a, repeat(n, 0x22, 0x00, 0x0a, 0x00)),
		"specs":        inside(0x0a, inside(0x0a, repeat(n, 0x12, 0x00, 0x1a, 0x00))),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var err error
			if name == "events" {
				_, err = DecodeEventBatch(in)
			} else {
				_, err = decodeAll(in)
			}
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			factor := (after.TotalAlloc - before.TotalAlloc) / uint64(len(in))
			t.Logf("%d bytes allocated for each byte of input", factor)
			if factor > MaxExpansion {
				t.Errorf("more than MaxExpansion = %d", MaxExpansion)
			}
		})
	}
}
