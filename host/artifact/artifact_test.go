package artifact

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sluice-net/sluice/tests/registrytest"
)

func replaceBody(answer *http.Response, change func([]byte) []byte) (*http.Response, error) {
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	answer.Body.Close()
	answer.Body = io.NopCloser(bytes.NewReader(change(body)))
	return answer, nil
}

func TestRegistry(t *testing.T) {
	address, _ := registrytest.Start(t)
	module := wasm(t, "1.0.0")
	pushed := push(t, module, address+"/team/web:1")
	if again := push(t, module, address+"/team/other"); again.Ref.digest != pushed.Ref.digest {
		t.Errorf("the same file has the digest %s here and %s there", pushed.Ref.digest, again.Ref.digest)
	}
	for _, ref := range []string{address + "/team/web:1", address + "/team/web:1@" + pushed.Ref.digest.String(), "oci://" + address + "/team/other@" + pushed.Ref.digest.String()} {
		m, err := Pull(context.Background(), parse(t, ref), Options{Access: plain})
		if err != nil || !bytes.Equal(m.Wasm, module) || m.Digest != pushed.Digest || m.Ref.digest != pushed.Ref.digest {
			t.Errorf("%s: %d bytes, %s, %v, %v", ref, len(m.Wasm), m.Digest, m.Ref, err)
		}
	}
	_, err := Pull(context.Background(), parse(t, address+"/team/web:2"), Options{Access: plain})
	if err == nil || !isNotFound(err) {
		t.Errorf("a tag that is not there: %v", err)
	}
}

// TestManifestIsOfTheCNCFLayout checks the artifact as another tool sees it.
func TestManifestIsOfTheCNCFLayout(t *testing.T) {
	dir := t.TempDir()
	pushed := push(t, wasm(t, "1.0.0"), layoutPrefix+dir+":1")
	read := func(digest string, v any) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(digest, "sha256:")))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, v); err != nil {
			t.Fatal(err)
		}
	}
	var m ocispec.Manifest
	read(pushed.Ref.digest.String(), &m)
	if m.Config.MediaType != "application/vnd.wasm.config.v0+json" || len(m.Layers) != 1 || m.Layers[0].MediaType != "application/wasm" || m.Layers[0].Digest.String() != pushed.Digest {
		t.Errorf("manifest %+v", m)
	}
	if m.Annotations["org.opencontainers.image.version"] != "1.0.0" || !strings.Contains(m.Annotations[ManifestAnnotation], `"tiers":["admin"]`) {
		t.Errorf("annotations %v", m.Annotations)
	}
	var c config
	read(m.Config.Digest.String(), &c)
	if c.Architecture != "wasm" || c.OS != "wasip1" || len(c.LayerDigests) != 1 || c.LayerDigests[0] != m.Layers[0].Digest {
		t.Errorf("config %+v", c)
	}
}

func TestFetchNeedsAPin(t *testing.T) {
	dir := t.TempDir()
	module := wasm(t, "1.0.0")
	pushed := push(t, module, layoutPrefix+dir+":1")
	_, _, err := Fetch(context.Background(), layoutPrefix+dir+":1", Options{})
	wantRefused(t, err, "not pinned")
	for _, o := range []Options{{}, {Digest: pushed.Digest}} {
		ref := pushed.Ref.String()
		if o.Digest != "" {
			ref = layoutPrefix + dir + ":1"
		}
		if got, digest, err := Fetch(context.Background(), ref, o); err != nil || !bytes.Equal(got, module) || digest != pushed.Digest {
			t.Errorf("%s with %+v: %s, %v", ref, o, digest, err)
		}
	}
	push(t, wasm(t, "2.0.0"), layoutPrefix+dir+":1")
	_, _, err = Fetch(context.Background(), layoutPrefix+dir+":1", Options{Digest: pushed.Digest})
	wantRefused(t, err, "pinned is "+pushed.Digest)
}

func TestCacheSpansAnOutage(t *testing.T) {
	address, stop := registrytest.Start(t)
	module, cache := wasm(t, "1.0.0"), t.TempDir()
	pushed := push(t, module, address+"/team/web:1")
	key := signIn(t, pushed.Ref)
	for name, o := range map[string]Options{
		pushed.Ref.String():     {PublicKey: key},
		address + "/team/web:1": {PublicKey: key, Digest: pushed.Digest},
		"oci://" + address + "/team/web@" + pushed.Ref.digest.String(): {},
	} {
		o.Access, o.CacheDir = plain, cache
		if _, _, err := Fetch(context.Background(), name, o); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	for name, o := range map[string]Options{
		pushed.Ref.String():     {PublicKey: key},
		address + "/team/web:1": {PublicKey: key, Digest: pushed.Digest},
	} {
		o.Access, o.CacheDir = plain, cache
		m, err := Pull(context.Background(), parse(t, name), o)
		if err != nil || !m.Cached || !m.Signed || !bytes.Equal(m.Wasm, module) {
			t.Errorf("%s while the registry is away: cached %v, signed %v, %v", name, m.Cached, m.Signed, err)
		}
	}
	// Another key has not signed it, cached or not.
	_, other, err := NewKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Fetch(context.Background(), pushed.Ref.String(), Options{Access: plain, CacheDir: cache, PublicKey: other}); err == nil {
		t.Error("a module is taken from the cache though the key has not signed it")
	}
	// A damaged copy is not used.
	path := filepath.Join(cache, "blobs", strings.TrimPrefix(pushed.Digest, "sha256:"))
	if err := os.WriteFile(path, append([]byte("x"), module[1:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _, err := Fetch(context.Background(), pushed.Ref.String(), Options{Access: plain, CacheDir: cache}); err == nil {
		t.Errorf("a damaged copy is used: %d bytes", len(got))
	}
}

func TestCacheIsBounded(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	var last Pushed
	for _, version := range []string{"1", "2", "3", "4", "5", "6"} {
		last = push(t, wasm(t, version), layoutPrefix+dir+":"+version)
		if _, _, err := Fetch(context.Background(), last.Ref.String(), Options{CacheDir: cache, CacheBytes: 250_000}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(filepath.Join(cache, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			sum += info.Size()
		}
	}
	if sum > 250_000 || sum < 200_000 {
		t.Errorf("the cache holds %d bytes; the bound is 250000, and two modules fit", sum)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Fetch(context.Background(), last.Ref.String(), Options{CacheDir: cache}); err != nil {
		t.Errorf("the newest is not in the cache: %v", err)
	}
}

// TestALyingRegistry answers with something else at every place where it can.
func TestALyingRegistry(t *testing.T) {
	address, _ := registrytest.Start(t)
	pushed := push(t, wasm(t, "1.0.0"), address+"/team/web:1")
	other := push(t, wasm(t, "6.6.6"), address+"/team/evil:1")
	evil, err := Pull(context.Background(), other.Ref, Options{Access: plain})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]tampering{
		"manifest": func(path string, body []byte) []byte {
			if strings.Contains(path, "/manifests/") {
				return bytes.Replace(body, []byte("1.0.0"), []byte("1.0.1"), 1)
			}
			return body
		},
		"module": func(path string, body []byte) []byte {
			if strings.HasSuffix(path, pushed.Digest) {
				return evil.Wasm
			}
			return body
		},
		"too much": func(path string, body []byte) []byte {
			if strings.HasSuffix(path, pushed.Digest) {
				return append(body, body...)
			}
			return body
		},
	} {
		cache := t.TempDir()
		m, err := Pull(context.Background(), pushed.Ref, Options{Access: Access{PlainHTTP: true, Transport: change}, CacheDir: cache})
		if err == nil {
			t.Errorf("%s: %s was taken for %s", name, m.Digest, pushed.Digest)
		}
		if _, err := Pull(context.Background(), pushed.Ref, Options{Access: plain, CacheDir: cache}); err != nil {
			t.Errorf("%s: the lie was kept: %v", name, err)
		}
	}
}

func TestWhatIsNoModule(t *testing.T) {
	ctx := context.Background()
	for name, bad := range map[string][]byte{"no Wasm": []byte("MZ"), "no manifest": []byte("\x00asm\x01\x00\x00\x00")} {
		if _, err := Push(ctx, bad, parse(t, layoutPrefix+t.TempDir()), Access{}); err == nil {
			t.Errorf("%s: pushed", name)
		}
	}
	dir := t.TempDir()
	target, err := openToWrite(ctx, parse(t, layoutPrefix+dir), Access{})
	if err != nil {
		t.Fatal(err)
	}
	image, err := packSignatures(nil) // an image without layers
	if err != nil {
		t.Fatal(err)
	}
	if _, err := put(ctx, target, image, "1"); err != nil {
		t.Fatal(err)
	}
	_, err = Pull(ctx, parse(t, layoutPrefix+dir+":1"), Options{})
	wantRefused(t, err, "no Wasm module")
}

func TestParseRef(t *testing.T) {
	hex := strings.Repeat("a", 64)
	for text, want := range map[string]Ref{
		"web.wasm":                        {place: file, path: "web.wasm"},
		"./web":                           {place: file, path: "./web"},
		"r.example/t/web":                 {place: remote, path: "r.example/t/web"},
		"oci://r.example:5000/web:1":      {place: remote, path: "r.example:5000/web", tag: "1"},
		"r.example/web@sha256:" + hex:     {place: remote, path: "r.example/web"},
		"oci-layout:/a/b:1@sha256:" + hex: {place: layout, path: "/a/b", tag: "1"},
		"oci-layout:dir":                  {place: layout, path: "dir"},
	} {
		got, err := ParseRef(text)
		if strings.Contains(text, "@") {
			if got.digest.Encoded() != hex {
				t.Errorf("%q has the digest %q", text, got.digest)
			}
			got.digest = ""
		}
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "web", "r.example/web@sha256:12", "r.example/WEB", "r.example/web@md5:" + hex} {
		if got, err := ParseRef(text); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}
