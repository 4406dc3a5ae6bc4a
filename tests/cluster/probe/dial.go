package main

import (
	"encoding/binary"
	"io"
	"net"
	"time"
)

// Every so often an attempt begins, and after so long it is taken for refused: sooner
// than a kernel sends a SYN again (1 s), so that each attempt is one packet.
const (
	dialEvery   = 5 * time.Millisecond
	dialTimeout = 500 * time.Millisecond
)

// attempt is how one connection went.
type attempt struct {
	At int64 `json:"at"` // it began
	OK bool  `json:"ok"`
}

// tally is written every second and at the end.
type tally struct {
	Through int `json:"through"`
	Refused int `json:"refused"`
}

// dialing is what attempts are like. A datagram is sent once: one of which nothing comes
// back, however long one waits, is lost.
type dialing struct {
	network, address string
	patience         time.Duration
}

// dial opens connections and tells when what becomes of them changes, in the order in
// which they began.
func dial(d dialing, count int, r *report) error {
	outcomes := make(chan chan attempt, max(1000, d.patience/dialEvery))
	go func() {
		defer close(outcomes)
		tick := time.NewTicker(dialEvery)
		defer tick.Stop()
		for n := 0; count == 0 || n < count; n++ {
			outcome := make(chan attempt, 1)
			go func() { outcome <- d.connect(uint64(n)) }()
			outcomes <- outcome
			<-tick.C
		}
	}()
	var total tally
	var last attempt
	said := time.Now()
	for outcome := range outcomes {
		a := <-outcome
		if total == (tally{}) || a.OK != last.OK {
			r.line(a)
		}
		if last = a; a.OK {
			total.Through++
		} else {
			total.Refused++
		}
		if time.Since(said) > time.Second {
			r.line(total)
			said = time.Now()
		}
	}
	r.line(total)
	return nil
}

func (d dialing) connect(number uint64) attempt {
	a := attempt{At: time.Now().UnixNano()}
	deadline := time.Now().Add(d.patience)
	conn, err := net.DialTimeout(d.network, d.address, d.patience)
	if err != nil {
		return a
	}
	defer conn.Close()
	_ = conn.SetDeadline(deadline)
	sent, back := binary.BigEndian.AppendUint64(nil, number), make([]byte, 8)
	if _, err := conn.Write(sent); err != nil {
		return a
	}
	_, err = io.ReadFull(conn, back)
	a.OK = err == nil && string(back) == string(sent)
	return a
}
