package plugin

import (
	"context"
	"time"
)

// Fetch gets a module's bytes from somewhere that may not answer. It ends with
// ctx.
type Fetch func(ctx context.Context) ([]byte, error)

const (
	// fetchTime bounds one attempt: a module of 16 MiB over a slow line.
	fetchTime = 2 * time.Minute
	// fetchAgainMin and fetchAgainMax bound the pause between attempts, which
	// doubles.
	fetchAgainMin = time.Second
	fetchAgainMax = time.Minute
)

// fetchModule sends what is fetched, once. Until it succeeds it sends why not, and
// tries again.
func fetchModule(ctx context.Context, fetch Fetch, out chan<- reading) {
	for pause := fetchAgainMin; ctx.Err() == nil; pause = min(2*pause, fetchAgainMax) {
		attempt, cancel := context.WithTimeout(ctx, fetchTime)
		wasm, err := fetch(attempt)
		cancel()
		if err == nil {
			send(ctx, out, reading{wasm: wasm})
			return
		}
		send(ctx, out, reading{err: err})
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}
