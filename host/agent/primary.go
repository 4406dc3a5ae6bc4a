package agent

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sluice-net/sluice/host/conflist"
	"github.com/sluice-net/sluice/host/hostnet"
	"github.com/sluice-net/sluice/host/primary"
)

// ProfileAuto, as cni.profile, has the profile of the primary CNI plugin detected.
const ProfileAuto = "auto"

// PrimaryStatus says behind which primary CNI plugin the node is taken to be.
type PrimaryStatus struct {
	Profile string `json:"profile"`
	Because string `json:"because"`
	// Problem is what keeps the profile from being held to; empty if nothing does.
	Problem string `json:"problem,omitempty"`
}

// chooser says which profile is in force. It looks anew when it is asked, as a
// node may get its first Pod, or another plugin, at any time.
type chooser struct {
	config CNIConfig
	host   *hostnet.Host
	log    *slog.Logger

	mu      sync.Mutex
	found   primary.Finding
	plugins []string // in the CNI configuration last read
	last    PrimaryStatus
	looked  time.Time
}

// lookEvery bounds how often the chooser looks. It is less than the time between
// two turns of the patrol.
const lookEvery = 5 * time.Second

func newChooser(c CNIConfig, host *hostnet.Host, log *slog.Logger) *chooser {
	ch := &chooser{config: c, host: host, log: log}
	if p, ok := primary.Named(c.Profile); ok {
		ch.found = primary.Finding{Profile: p, Because: "cni.profile says so"}
	} else {
		ch.found = primary.Detect(hostnet.Signs{}, nil)
	}
	ch.profile()
	return ch
}

// look detects the profile, unless it is set. What cannot be read changes
// nothing. It needs mu.
func (c *chooser) look() {
	c.looked = time.Now()
	problem := ""
	if c.config.Profile == ProfileAuto {
		signs, err := c.host.Signs()
		if err != nil {
			problem = err.Error()
		} else {
			// One that is half-written changes nothing yet.
			if plugins, err := conflist.Plugins(c.config.ConfDir, c.config.File); err == nil {
				c.plugins = plugins
			}
			c.found = primary.Detect(signs, c.plugins)
		}
	}
	if len(c.found.Profile.Mirrored) > 0 {
		if legacy, err := c.host.LegacyRules(); err == nil && legacy {
			problem = "there are tables of iptables-legacy, whose rules about Pods' devices Sluice cannot read: have the plugin use iptables-nft"
		}
	}
	now := PrimaryStatus{Profile: c.found.Profile.Name, Because: c.found.Because, Problem: problem}
	if now == c.last {
		return
	}
	if now.Problem != "" {
		c.log.Warn("the profile of the primary CNI plugin is not held to", "profile", now.Profile, "problem", now.Problem)
	} else {
		c.log.Info("profile of the primary CNI plugin", "profile", now.Profile, "because", now.Because)
	}
	c.last = now
}

func (c *chooser) profile() primary.Profile {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) > lookEvery {
		c.look()
	}
	return c.found.Profile
}

func (c *chooser) status() PrimaryStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

func (c CNIConfig) checkProfile() error {
	words := append([]string{ProfileAuto}, primary.Names()...)
	if !slices.Contains(words, c.Profile) {
		return fmt.Errorf("cni.profile is %q: use one of %v", c.Profile, words)
	}
	return nil
}
