// Package apitest gives a test a Kubernetes API of its own: a real etcd and a real
// kube-apiserver on loopback, which end with the test.
//
// Their programs are built on first use, which takes some minutes, and kept in the
// user's cache directory.
package apitest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sluice-net/sluice/tests/cluster/build"
	"github.com/sluice-net/sluice/tests/cluster/controlplane"
)

// Start returns when the API answers. Server.Admin is a kubeconfig that may do
// everything; Server.Kubeconfig makes others.
func Start(t testing.TB) *controlplane.Server {
	t.Helper()
	programs, err := build.Programs(t.Context(), os.Stderr, controlplane.APIPrograms()...)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	server, err := controlplane.Start(t.Context(), controlplane.Options{Dir: dir, Programs: programs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			logTail(t, server.Log(build.APIServer))
		}
	})
	return server
}

// logTail shows the end of a log, which the test's directory takes with it.
func logTail(t testing.TB, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Log(err)
		return
	}
	t.Logf("the end of %s:\n%s", filepath.Base(file), text[max(0, len(text)-4000):])
}
