package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// output is what f writes to standard output.
func output(t *testing.T, f func()) []byte {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = write
	f()
	os.Stdout = stdout
	write.Close()
	text, err := io.ReadAll(read)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDial(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	last := func(text []byte) (total tally) {
		lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
		if err := json.Unmarshal(lines[len(lines)-1], &total); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		return total
	}
	dialed := func(network string) tally {
		return last(output(t, func() {
			if err := dial(dialing{network, address, dialTimeout}, 20, &report{}); err != nil {
				t.Error(err)
			}
		}))
	}
	for _, network := range []string{"tcp", "udp"} {
		if got := dialed(network); got != (tally{Refused: 20}) {
			t.Errorf("%s: nobody listens: %+v", network, got)
		}
	}
	go func() { _ = serve(address) }() // ends with the test's process
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	for _, network := range []string{"tcp", "udp"} {
		if got := dialed(network); got != (tally{Through: 20}) {
			t.Errorf("%s: an echo server listens: %+v", network, got)
		}
	}
}
