package jsonscan

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

const policy = `{
  "metadata": {"name": "db", "labels": {"a": "b", "c\u002fd": "e"}, "creationTimestamp": null},
  "spec": {
    "podSelector": {},
    "ingress": [
      {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.2.0.0/16"]}}], "ports": [{"port": 80, "endPort": 90}, {"port": "http"}]},
      {}
    ]
  },
  "status": {"x": [1, 2.5e-3, true, false, null, "\ud83d\ude00 \"q\" \\ \/ \b\f\n\r\t \u00e9"]}
}`

func TestWalk(t *testing.T) {
	var name, cidr string
	var except []string
	var ports []any
	labels := map[string]string{}
	rules := 0
	d := New([]byte(policy))
	err := d.Object(func(key []byte) (err error) {
		switch string(key) {
		case "metadata":
			return d.Object(func(key []byte) (err error) {
				switch string(key) {
				case "name":
					name, err = d.String()
				case "labels":
					return d.Object(func(key []byte) (err error) {
						labels[string(key)], err = d.String()
						return err
					})
				case "creationTimestamp":
					if !d.IsNull() {
						t.Error("null is not seen")
					}
				}
				return err
			})
		case "spec":
			return d.Object(func(key []byte) error {
				if string(key) != "ingress" {
					return nil
				}
				return d.Array(func() error {
					rules++
					return d.Object(func(key []byte) error {
						switch string(key) {
						case "from":
							return d.Array(func() error {
								return d.Object(func([]byte) error {
									return d.Object(func(key []byte) (err error) {
										if string(key) == "cidr" {
											cidr, err = d.String()
											return err
										}
										return d.Array(func() error {
											s, err := d.String()
											except = append(except, s)
											return err
										})
									})
								})
							})
						case "ports":
							return d.Array(func() error {
								return d.Object(func([]byte) error {
									if d.Kind() == String {
										s, err := d.String()
										ports = append(ports, s)
										return err
									}
									n, err := d.Int64()
									ports = append(ports, n)
									return err
								})
							})
						}
						return nil
					})
				})
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.End(); err != nil {
		t.Error(err)
	}
	if name != "db" || cidr != "10.0.0.0/8" || rules != 2 ||
		!reflect.DeepEqual(except, []string{"10.1.0.0/16", "10.2.0.0/16"}) ||
		!reflect.DeepEqual(ports, []any{int64(80), int64(90), "http"}) ||
		!reflect.DeepEqual(labels, map[string]string{"a": "b", "c/d": "e"}) {
		t.Errorf("name %q, cidr %q, rules %d, except %q, ports %v, labels %v", name, cidr, rules, except, ports, labels)
	}
}

func TestErrors(t *testing.T) {
	// Reads {"a":[{"b":<string>}],"n":<int>,"t":<bool>,"o":<object>}.
	read := func(in string) error {
		d := New([]byte(in))
		err := d.Object(func(key []byte) (err error) {
			switch string(key) {
			case "a":
				return d.Array(func() error {
					return d.Object(func([]byte) error {
						_, err := d.String()
						return err
					})
				})
			case "n":
				_, err = d.Int64()
			case "t":
				_, err = d.Bool()
			case "o":
				return d.Object(func([]byte) error { return d.Fail("is not wanted") })
			}
			return err
		})
		if err == nil {
			err = d.End()
		}
		return err
	}
	for _, c := range []struct{ in, want string }{
		{``, "json at offset 0: text ends where an object should be"},
		{` []`, "json at offset 1: found an array where an object should be"},
		{`{"a":[{},{"b":1}]}`, "a[1].b at offset 14: found a number where a string should be"},
		{`{"a":[{"b":"x}]}`, "a[0].b at offset 11: string has no end"},
		{`{"a":[{"b":"\x"}]}`, "a[0].b at offset 12: illegal escape in a string"},
		{`{"a":[{"b":"\u12g4"}]}`, "a[0].b at offset 12: illegal escape in a string"},
		{"{\"a\":[{\"b\":\"\n\"}]}", "a[0].b at offset 12: bare control character in a string"},
		{"{\"a\":[{\"b\":\"\xff\"}]}", "a[0].b at offset 11: string is not valid UTF-8"},
		{`{"a":[1,]}`, "a[0] at offset 6: found a number where an object should be"},
		{`{"a":[{},]}`, "a[1] at offset 9: found ']' where an object should be"},
		{`{"a":[{}}`, "a at offset 8: found '}' where ',' or ']' should be"},
		{`{"a" []}`, "a at offset 5: found an array where ':' should be"},
		{`{a:1}`, "json at offset 1: found 'a' where a key should be"},
		{`{"n":1,}`, "json at offset 7: found '}' where a key should be"},
		{`{"n":1.0}`, "n at offset 5: is not written as an integer"},
		{`{"n":1e2}`, "n at offset 5: is not written as an integer"},
		{`{"n":9223372036854775808}`, "n at offset 5: does not fit into 64 bits"},
		{`{"n":-9223372036854775809}`, "n at offset 5: does not fit into 64 bits"},
		{`{"n":99999999999999999999999999999}`, "n at offset 5: does not fit into 64 bits"},
		{`{"n":01}`, "json at offset 6: found a number where ',' or '}' should be"},
		{`{"n":-}`, "n at offset 6: found '}' where a digit should be"},
		{`{"n":+1}`, "n at offset 5: found '+' where a number should be"},
		{`{"t":tru}`, "t at offset 5: found 't' where a value should be"},
		{`{"t":1}`, "t at offset 5: found a number where true or false should be"},
		{`{"o":{"x":1}}`, "o.x at offset 10: is not wanted"},
		{`{"u":[[0,nul]]}`, "u[0][1] at offset 9: found 'n' where a value should be"},
		{`{"u":.5}`, "u at offset 5: found '.' where a value should be"},
		{`{}{}`, "json at offset 2: text goes on after the value"},
		{"{\x00}", "json at offset 1: found a control character or a byte above 127 where a key should be"},
	} {
		err := read(c.in)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", c.in, err, c.want)
		}
	}
	if err := read(`{"n":-9223372036854775808,"m":9223372036854775807,"t":null,"a":null,"o":null}`); err != nil {
		t.Error(err)
	}
}

func TestOtherErrorsPassUnchanged(t *testing.T) {
	stop := errors.New("stop")
	d := New([]byte(`{"a":[1]}`))
	err := d.Object(func([]byte) error { return d.Array(func() error { return stop }) })
	if err != stop {
		t.Errorf("got %v", err)
	}
}

func TestDepth(t *testing.T) {
	nest := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	if err := New(nest(MaxDepth)).Skip(); err != nil {
		t.Error(err)
	}
	err := New(nest(MaxDepth + 1)).Skip()
	if err == nil || !strings.Contains(err.Error(), "nested more than 256 deep") {
		t.Errorf("got %v", err)
	}
	if err := New([]byte(strings.Repeat(`{"a":`, 1_000_000))).Skip(); err == nil {
		t.Error("a million levels are accepted")
	}
}

func TestRawAndReset(t *testing.T) {
	d := New([]byte(` {"a" : [1, {"b":null}] , "c":2}`))
	var raw []byte
	err := d.Object(func(key []byte) (err error) {
		if string(key) == "a" {
			raw, err = d.Raw()
		}
		return err
	})
	if err != nil || string(raw) != `[1, {"b":null}]` {
		t.Fatalf("raw %s, error %v", raw, err)
	}
	d.Reset(raw)
	n := 0
	if err := d.Array(func() error { n++; return nil }); err != nil || n != 2 {
		t.Errorf("%d elements, error %v", n, err)
	}
}

func TestNoAllocation(t *testing.T) {
	b := []byte(strings.ReplaceAll(policy, `\u002f`, "/"))
	d := New(b)
	allocs := testing.AllocsPerRun(100, func() {
		d.Reset(b)
		if err := d.Skip(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("passing over a policy allocates %v times", allocs)
	}
}

func BenchmarkSkip(b *testing.B) {
	d := New(nil)
	b.SetBytes(int64(len(policy)))
	b.ReportAllocs()
	for b.Loop() {
		d.Reset([]byte(policy))
		if err := d.Skip(); err != nil {
			b.Fatal(err)
		}
	}
}
