package daemonset

import (
	"fmt"
	"time"
)

// streaming is what `probe stream` writes.
type streaming struct {
	Sent     int     `json:"sent"`
	Echoed   int     `json:"echoed"`
	Lost     int     `json:"lost"`
	Longest  float64 `json:"longestMs"`
	LastEcho int64   `json:"lastEcho"`
	Error    string  `json:"error"`
	Opened   int64   `json:"connected"`
}

// tally is what `probe dial` writes.
type tally struct {
	Through int `json:"through"`
	Refused int `json:"refused"`
}

// stream is what a Pod's stream has come to; it is at most a second old.
func (w *world) stream(pod string) (s streaming) {
	w.Helper()
	w.last(pod, "probe", "echoed", &s)
	return s
}

// flows fails unless a stream is the one that it was and goes on: none of its packets
// is missing for good.
func (w *world) flows(pod string, since streaming) streaming {
	w.Helper()
	var s streaming
	w.eventually(pod+" goes on", func() (bool, string) {
		s = w.stream(pod)
		if s.Error != "" || s.Opened != since.Opened {
			w.Fatalf("the stream of %s was cut: %+v, and it was %+v", pod, s, since)
		}
		return s.LastEcho > since.LastEcho && time.Since(time.Unix(0, s.LastEcho)) < 5*time.Second && s.Echoed > since.Echoed+100, fmt.Sprintf("%+v", s)
	})
	return s
}

// outcomes are the attempts of `probe dial` until now.
func (w *world) outcomes(pod string) (t tally) {
	w.Helper()
	w.last(pod, "probe", "through", &t)
	return t
}

// becomes waits until a Pod that dials gets through, or until it does not any more.
func (w *world) becomes(pod string, through bool) {
	w.Helper()
	before := w.outcomes(pod)
	w.eventually(fmt.Sprintf("%s gets through: %v", pod, through), func() (bool, string) {
		now := w.outcomes(pod)
		got, refused := now.Through-before.Through, now.Refused-before.Refused
		before = now
		return through && got > 50 && refused == 0 || !through && refused > 50 && got == 0, fmt.Sprintf("%d through, %d refused", got, refused)
	})
}
