package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// actionTime bounds one action: it may have to do something for every Pod of the node.
const actionTime = 10 * time.Minute

// Action changes something on the node; apart from that it is like Read.
type Action func(ctx context.Context, query url.Values) (any, error)

// HandleAction answers POST requests for a path ("/v1/adopt"), whose parameters are in the query as for Handle. It has ten
// minutes and ends early when the one who asked goes away. All paths are given before Run; the same path twice panics.
func (s *Server) HandleAction(path string, act Action) {
	s.paths = append(s.paths, path)
	s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			refuse(w, &Error{Status: http.StatusMethodNotAllowed, Object: path, Reason: "method " + r.Method + " is not served", Remedy: "this changes the node: use POST"})
			return
		}
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			refuse(w, BadParameter("", "the query can not be read: "+err.Error(), "escape it as in a URL"))
			return
		}
		// The server's own limits are those of questions. A connection that has none cannot be slow.
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Time{})
		_ = control.SetWriteDeadline(time.Now().Add(actionTime + answerTime))
		answer, err := s.ask(r.Context(), actionTime, path, Read(act), query)
		if err != nil {
			refuse(w, asError(err))
			return
		}
		send(w, http.StatusOK, answer)
	})
}

// Post asks for an action ("/v1/adopt") and decodes the JSON answer into a pointer. What the agent refused is an *Error.
func (c *Client) Post(ctx context.Context, path string, query url.Values, into any) error {
	body, err := c.ask(ctx, http.MethodPost, path, query)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read the agent's answer to %s: %w: are agent and sluicectl of the same version?", path, err)
	}
	return nil
}
