package artifact

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/abi/binary"
)

// wasm is a module of some size with a manifest.
func wasm(t *testing.T, version string) []byte {
	t.Helper()
	module, err := binary.AppendCustomSection([]byte("\x00asm\x01\x00\x00\x00"), abi.ManifestSection,
		[]byte(`{"name":"web","version":"`+version+`","abi":1,"resources":["pods"],"tiers":["admin"],"actions":["deny"]}`))
	if err != nil {
		t.Fatal(err)
	}
	module, err = binary.AppendCustomSection(module, "ballast", make([]byte, 100_000))
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func parse(t *testing.T, text string) Ref {
	t.Helper()
	ref, err := ParseRef(text)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func push(t *testing.T, module []byte, ref string) Pushed {
	t.Helper()
	pushed, err := Push(context.Background(), module, parse(t, ref), plain)
	if err != nil {
		t.Fatal(err)
	}
	return pushed
}

var plain = Access{PlainHTTP: true}

// wantRefused checks that what was asked for is refused, for this reason.
func wantRefused(t *testing.T, err error, reason string) {
	t.Helper()
	if refusal, is := errors.AsType[*RefusedError](err); !is || !strings.Contains(refusal.Reason, reason) {
		t.Errorf("error %v, want a refusal that says %q", err, reason)
	}
}

// tampering changes what the registry answers.
type tampering func(path string, body []byte) []byte

func (change tampering) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil || request.Method != http.MethodGet || answer.StatusCode != http.StatusOK {
		return answer, err
	}
	return replaceBody(answer, func(body []byte) []byte { return change(request.URL.Path, body) })
}
