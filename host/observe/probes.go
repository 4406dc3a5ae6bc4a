package observe

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// ProbeOptions say what a kubelet and a Prometheus server can ask over TCP.
// Nothing that is answered there changes anything or names an object.
type ProbeOptions struct {
	// Address to listen on, "127.0.0.1:9469".
	Address string
	// Live answers /livez: an error means that only a new process can help.
	Live func(ctx context.Context) error
	// Ready answers /readyz.
	Ready func(ctx context.Context) error
	// Metrics are served at /metrics.
	Metrics prometheus.Gatherer
	Logger  *slog.Logger
}

// probeTime bounds one answer: a kubelet waits a second unless it is told otherwise.
const probeTime = time.Second

// ListenProbes binds the address. The returned function serves until ctx ends and
// must be called once.
func ListenProbes(ctx context.Context, o ProbeOptions) (serve func(ctx context.Context) error, err error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("probes.address: %w", err)
	}
	mux := http.NewServeMux()
	probe := func(path string, check func(context.Context) error) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), probeTime)
			defer cancel()
			if err := check(ctx); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			fmt.Fprintln(w, "ok") //nolint:errcheck // the one who asked is gone
		})
	}
	probe("/livez", o.Live)
	probe("/readyz", o.Ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelError), ErrorHandling: promhttp.ContinueOnError,
	}))
	return func(ctx context.Context) error {
		if err := serveUntil(ctx, listener, mux, o.Logger); err != nil {
			return fmt.Errorf("probes on %s: %w", o.Address, err)
		}
		return nil
	}, nil
}
