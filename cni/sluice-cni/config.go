package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/sluice-net/sluice/cni/wire"
)

const (
	defaultTimeout = 60 * time.Second
	maxTimeout     = 10 * time.Minute
)

// config is what the plugin itself needs of its configuration; the agent gets all of it.
type config struct {
	CNIVersion     string          `json:"cniVersion"`
	Socket         string          `json:"socket"`
	TimeoutSeconds float64         `json:"timeoutSeconds"`
	PrevResult     json.RawMessage `json:"prevResult"`
}

func parseConfig(data []byte) (*config, error) {
	c := config{}
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, types.NewError(types.ErrDecodingFailure, "the configuration of sluice-cni cannot be read", err.Error())
	}
	if c.Socket == "" {
		c.Socket = wire.DefaultSocket
	}
	if limit := maxTimeout.Seconds(); c.TimeoutSeconds < 0 || c.TimeoutSeconds > limit {
		return nil, types.NewError(types.ErrInvalidNetworkConfig,
			fmt.Sprintf("timeoutSeconds of sluice-cni is %v", c.TimeoutSeconds), fmt.Sprintf("give a number between 0 and %v", limit))
	}
	return &c, nil
}

func (c *config) timeout() time.Duration {
	if c.TimeoutSeconds == 0 {
		return defaultTimeout
	}
	return time.Duration(c.TimeoutSeconds * float64(time.Second))
}

// parseArgs reads CNI_ARGS: "KEY=VALUE;KEY=VALUE".
func parseArgs(text string) (map[string]string, error) {
	args := map[string]string{}
	for pair := range strings.SplitSeq(text, ";") {
		if pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, types.NewError(types.ErrInvalidEnvironmentVariables,
				fmt.Sprintf("CNI_ARGS has %q, which is not KEY=VALUE", pair), "see how the container runtime calls its plugins")
		}
		args[key] = value
	}
	return args, nil
}
