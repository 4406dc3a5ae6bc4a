package controlplane

import (
	"fmt"

	"github.com/sluice-net/sluice/tests/cluster/process"
)

// Spent is what the API server has taken since it was started.
func (s *Server) Spent() (process.Usage, error) {
	u, err := process.UsageOf(s.api.PID)
	if err != nil {
		return u, fmt.Errorf("reading what the API server has taken: %w", err)
	}
	return u, nil
}
