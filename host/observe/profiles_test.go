package observe

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"
)

func TestProfiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	serve(t, NewServer(ServerOptions{Socket: path}))
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	client := http.Client{Transport: transport, Timeout: patience}
	for _, name := range []string{"allocs", "goroutine", "heap", "profile?seconds=1"} {
		answer, err := client.Get("http://agent/debug/pprof/" + name)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || !bytes.HasPrefix(body, []byte{0x1f, 0x8b}) { // pprof's format is compressed
			t.Errorf("%s: %s, %v: %.100q", name, answer.Status, err, body)
		}
	}
}
