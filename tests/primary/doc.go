// Package primary tests Sluice behind nodes and Pods that are wired as those of
// clouds: that the lab builds them as they are documented, that Sluice comes and
// goes under their running Pods and leaves nothing behind, and that what the
// cloud's rules say about Pods' devices holds for the gateway. The tests need
// root and `make build`.
package primary
