package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Status is what an agent says of itself: GET /v1/status on its admin socket,
// as far as the lab reads it.
type Status struct {
	Node string `json:"node"`
	// SourceRevision is the revision (cluster.Revision) of the manifests last
	// read, RealisedRevision that of the last ones whose flows are in force.
	SourceRevision   string `json:"sourceRevision"`
	RealisedRevision string `json:"realisedRevision"`
	// Primary is the profile of the primary CNI plugin, and why it is that.
	Primary struct {
		Profile string `json:"profile"`
		Because string `json:"because"`
		Problem string `json:"problem"`
	} `json:"primary"`
	Problems  []Problem      `json:"problems"`
	Modules   []ModuleStatus `json:"modules"`
	Held      string         `json:"held"`      // why the node takes no new Pods; empty if it does
	LastError string         `json:"lastError"` // why the flows are not those that they should be; empty if they are
	Pods      []AttachedPod  `json:"pods"`
	Flows     FlowCounts     `json:"flows"`
}

// AttachedPod is a Pod that is plugged into the node's bridge.
type AttachedPod struct {
	Pod       string       `json:"pod"` // namespace/name
	OFPort    uint32       `json:"ofPort"`
	MAC       string       `json:"mac"`
	Addresses []netip.Addr `json:"addresses"`
}

// FlowCounts count since the agent started, except Installed.
type FlowCounts struct {
	Installed int    `json:"installed"`
	Written   uint64 `json:"written"` // flow-mods
	Bundles   uint64 `json:"bundles"`
	Repaired  uint64 `json:"repaired"` // changed by somebody else and put back
}

// Problem is one thing in the manifests that is not in force as written.
type Problem struct {
	File     string `json:"file"`
	Document int    `json:"document,omitempty"`
	Object   string `json:"object,omitempty"`
	Field    string `json:"field,omitempty"`
	Reason   string `json:"reason"`
}

// String is the problem in one line.
func (p Problem) String() string {
	text := p.File
	if p.Document > 0 {
		text += fmt.Sprintf(", document %d", p.Document)
	}
	for _, part := range []string{p.Object, p.Field, p.Reason} {
		if part != "" {
			text += ": " + part
		}
	}
	return strings.TrimPrefix(text, ": ")
}

// ModuleStatus is what an agent says of one of its modules.
type ModuleStatus struct {
	Name       string `json:"name"`
	Digest     string `json:"digest"` // of the running generation's file: "sha256:" and hexadecimal
	Generation uint64 `json:"generation"`
	Newest     uint64 `json:"newest"` // generation last read; above Generation if it loads or has failed
	PID        int    `json:"pid"`    // of its sandbox
	Restarts   uint64 `json:"restarts"`
	State      string `json:"state"`
	LastError  string `json:"lastError"`
}

// moduleFailed is the state of a module of which nothing can be loaded until
// its file changes.
const moduleFailed = "failed"

func (m ModuleStatus) String() string {
	text := fmt.Sprintf("module %s, generation %d, is %s", m.Name, m.Generation, m.State)
	if m.LastError != "" {
		text += ": " + m.LastError
	}
	return text
}

// Status asks the agent.
func (a *Agent) Status(ctx context.Context) (*Status, error) {
	status := &Status{}
	body, err := a.Get(ctx, "/v1/status")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, status); err != nil {
		return nil, fmt.Errorf("agent of node %s: /v1/status: %w", a.node, err)
	}
	return status, nil
}

// Get asks the agent's admin API for a path and gives the body of the answer.
// It waits at most 5 s.
func (a *Agent) Get(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", a.AdminSocket())
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("agent of node %s: %w", a.node, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("agent of node %s: GET %s: %w", a.node, path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("agent of node %s: GET %s: %s: %s", a.node, path, response.Status, strings.TrimSpace(string(body)))
	}
	return body, nil
}
