package nettest

import (
	"testing"
	"time"
)

// Await polls, up to limit, for what nothing tells of, and returns how long it
// took. That it does not happen is the test's failure.
func Await(t testing.TB, limit time.Duration, what string, happened func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !happened() {
		if time.Since(begin) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(begin)
}
