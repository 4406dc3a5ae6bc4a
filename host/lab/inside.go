package lab

import "fmt"

// In runs f on a thread that is in a network namespace of the lab: that of an
// end of probes, or of the router ("router"). Sockets that f makes stay in the
// namespace; the thread ends with f. The error of f is returned as it is.
func (l *Lab) In(name string, f func() error) error {
	if name == Router {
		return l.fabric.router.do(f)
	}
	one, err := l.end(name)
	if err != nil {
		return fmt.Errorf("entering a namespace of the lab: %w", err)
	}
	return one.ns.do(f)
}

// Router is the name of the router's namespace. It is no end of probes.
const Router = "router"
