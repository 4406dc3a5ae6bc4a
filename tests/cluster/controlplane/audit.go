package controlplane

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// auditPolicy has the API server write a line for each request of a ServiceAccount.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- {level: Metadata, userGroups: ["system:serviceaccounts"]}
- {level: None}
`

func (s *Server) auditFlags() ([]string, error) {
	policy := filepath.Join(s.opts.Dir, "audit.yaml")
	err := os.WriteFile(policy, []byte(auditPolicy), 0o644)
	return []string{"--audit-policy-file=" + policy, "--audit-log-path=" + s.auditLog()}, err
}

func (s *Server) auditLog() string { return filepath.Join(s.opts.Dir, "audit.log") }

// Request is a request that a ServiceAccount made, and that has ended.
type Request struct {
	User        string
	Verb        string // of RBAC: get, list, watch, …
	Group       string
	Resource    string // with its subresource: pods/status
	Name        string
	Code        int // of HTTP
	Explanation string
}

// Requests are those of a ServiceAccount ("namespace:name") until now.
func (s *Server) Requests(serviceAccount string) ([]Request, error) {
	file, err := os.Open(s.auditLog())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var requests []Request
	for lines := json.NewDecoder(file); ; {
		var event struct {
			Verb      string
			User      struct{ Username string }
			ObjectRef struct{ Resource, Subresource, APIGroup, Name string }
			Response  struct {
				Code    int
				Message string
			} `json:"responseStatus"`
		}
		err := lines.Decode(&event)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // the last line is being written
			return requests, nil
		}
		if err != nil {
			return nil, err
		}
		if event.User.Username != "system:serviceaccount:"+serviceAccount {
			continue
		}
		ref := event.ObjectRef
		requests = append(requests, Request{
			User: event.User.Username, Verb: event.Verb, Group: ref.APIGroup, Name: ref.Name, Code: event.Response.Code, Explanation: event.Response.Message,
			Resource: strings.TrimSuffix(ref.Resource+"/"+ref.Subresource, "/"),
		})
	}
}
