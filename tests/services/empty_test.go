package services

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/sluice-net/sluice/host/datapath"
)

func TestAServiceWithoutEndpointsRefusesAtOnce(t *testing.T) {
	r := newRig(t, 1)
	each(t, func(t *testing.T, family int, network string) {
		s := r.service(protocols[network], family)
		r.put(s)
		_, _, err := r.ask(0, network, s.Frontends[0].Address)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("answer: %v, want connection refused", err)
		}
	})
}

func TestAServiceWithoutLocalEndpointsDrops(t *testing.T) {
	r := newRig(t, 1)
	each(t, func(t *testing.T, family int, network string) {
		s := r.service(protocols[network], family)
		s.WhenEmpty = datapath.DropWhenEmpty
		r.put(s)
		_, _, err := r.ask(0, network, s.Frontends[0].Address)
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
			t.Errorf("answer: %v, want none", err)
		}
	})
}
