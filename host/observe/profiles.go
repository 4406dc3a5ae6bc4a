package observe

import (
	"net/http"
	"net/http/pprof"
)

// addProfiles serves the profiles of Go's runtime: where memory and processor time go.
//
//	curl --unix-socket /run/sluice/admin.sock -o heap http://agent/debug/pprof/heap
//	go tool pprof -top sluice-agent heap
func (s *Server) addProfiles() {
	for _, name := range []string{"allocs", "goroutine", "heap"} {
		s.add("/debug/pprof/"+name, pprof.Handler(name))
	}
	s.add("/debug/pprof/profile", http.HandlerFunc(pprof.Profile)) // of the processor, for ?seconds=30
}
