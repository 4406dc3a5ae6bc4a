package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/sluice-net/sluice/host/ovsdb"
)

// ovsPause is how long to wait between two attempts to find Open vSwitch.
const ovsPause = time.Second

// connectOVS waits for the database: on a node that has just started, nobody says
// which of the two is first.
func connectOVS(ctx context.Context, endpoint string, log *slog.Logger) (*ovsdb.Client, error) {
	for said := false; ; {
		client, err := ovsdb.Connect(ctx, endpoint, log)
		if err == nil || ctx.Err() != nil {
			return client, err
		}
		if !said {
			log.Warn("waiting for Open vSwitch", "err", err)
			said = true
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(ovsPause):
		}
	}
}
