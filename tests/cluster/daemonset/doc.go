// Package daemonset has no code: it tests Sluice as an operator runs it, on a cluster
// of two real nodes. `make test-cluster` runs it and says what it does.
package daemonset
