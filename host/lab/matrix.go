package lab

import (
	"encoding/json"
	"io"
)

// The ends of probes that are no Pods. In a lab of several nodes a host is
// "host:" and the name of its node.
const (
	Host     = "host"
	External = "external"
)

// Matrix says who reaches whom.
type Matrix struct {
	Probes []Probe    `json:"probes"`
	Nodes  []NodePlan `json:"nodes"`
	// Unusable are probes that did not connect with no policy in force, and
	// were therefore not made again.
	Unusable []Unusable `json:"unusable,omitempty"`
	// Skipped are declared ports on which the lab cannot listen.
	Skipped []Skipped `json:"skipped,omitempty"`
	// Rewritten are probes that connected, but from another source address
	// than the sender's: something on the way does address translation.
	Rewritten []Rewritten `json:"rewritten,omitempty"`
	// Problems are what the agents refuse of the manifests.
	Problems []Problem `json:"problems,omitempty"`
}

// Probe is one attempt to connect and its outcome.
type Probe struct {
	From      string  `json:"from"`
	To        string  `json:"to"`      // a Service is "svc:namespace/name"
	Address   string  `json:"address"` // of To
	Protocol  string  `json:"protocol"`
	Port      uint16  `json:"port"`
	Connected bool    `json:"connected"`
	Millis    float64 `json:"millis"` // until the answer, or until it was given up
	// Answers are who answered for a Service; Partly: some connections to it were
	// answered and some were not.
	Answers []string `json:"answers,omitempty"`
	Partly  bool     `json:"partly,omitempty"`
}

// Unusable is a probe that proves nothing about policy.
type Unusable struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Address  string `json:"address"`
	Protocol string `json:"protocol"`
	Port     uint16 `json:"port"`
	Reason   string `json:"reason"`
}

// Rewritten is a probe whose source address changed on the way.
type Rewritten struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Address  string `json:"address"`
	Protocol string `json:"protocol"`
	Port     uint16 `json:"port"`
	Source   string `json:"source"` // what the listener saw
}

// Counts are the numbers of probes that connected and that did not.
func (m *Matrix) Counts() (connected, refused int) {
	for _, probe := range m.Probes {
		if probe.Connected {
			connected++
		} else {
			refused++
		}
	}
	return connected, refused
}

// WriteJSON writes the matrix, indented.
func (m *Matrix) WriteJSON(out io.Writer) error {
	shown := *m
	if shown.Probes == nil {
		shown.Probes = []Probe{}
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(shown)
}
