package agent

import (
	"context"
	"net/url"

	"github.com/sluice-net/sluice/host/observe"
)

// recording answers GET /v1/modules/recording?module=NAME: what the running
// generation heard and said last.
func (a *agent) recording(_ context.Context, q url.Values) (any, error) {
	r, err := a.supervisor.Recording(q.Get("module"))
	if err != nil {
		return nil, observe.NotFound("module "+q.Get("module"), err.Error(), "`sluicectl status` lists the modules")
	}
	return r, nil
}
