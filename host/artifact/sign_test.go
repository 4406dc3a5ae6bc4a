package artifact

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/sluice-net/sluice/tests/registrytest"
)

// signIn signs what ref pins with a new key, and returns the public one.
func signIn(t *testing.T, ref Ref) (public []byte) {
	t.Helper()
	private, public, err := NewKey([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParsePrivateKey(private, func() ([]byte, error) { return []byte("secret"), nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Sign(context.Background(), ref, key, plain); err != nil {
		t.Fatal(err)
	}
	return public
}

func TestSignAndVerify(t *testing.T) {
	address, _ := registrytest.Start(t)
	for name, repository := range map[string]string{"registry": address + "/team/web", "layout": layoutPrefix + t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			pushed := push(t, wasm(t, "1.0.0"), repository+":1")
			_, stranger, err := NewKey(nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Pull(ctx, pushed.Ref, Options{Access: plain, PublicKey: stranger})
			wantRefused(t, err, "not signed")
			first, second := signIn(t, pushed.Ref), signIn(t, pushed.Ref)
			for _, key := range [][]byte{first, second} {
				if m, err := Pull(ctx, pushed.Ref, Options{Access: plain, PublicKey: key}); err != nil || !m.Signed {
					t.Errorf("signed %v, %v", m.Signed, err)
				}
			}
			_, err = Pull(ctx, pushed.Ref, Options{Access: plain, PublicKey: stranger})
			wantRefused(t, err, "2 signatures")

			// A signature of one version is none of another.
			next := push(t, wasm(t, "2.0.0"), repository+":2")
			target, err := openToWrite(ctx, next.Ref, plain)
			if err != nil {
				t.Fatal(err)
			}
			stolen, err := target.Resolve(ctx, signatureTag(pushed.Ref.digest))
			if err != nil {
				t.Fatal(err)
			}
			if err := target.Tag(ctx, stolen, signatureTag(next.Ref.digest)); err != nil {
				t.Fatal(err)
			}
			_, err = Pull(ctx, next.Ref, Options{Access: plain, PublicKey: first})
			wantRefused(t, err, "none of them for this artifact")
		})
	}
}

func TestSignFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.wasm")
	if err := os.WriteFile(path, wasm(t, "1.0.0"), 0o600); err != nil {
		t.Fatal(err)
	}
	ref := parse(t, path)
	_, stranger, err := NewKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Pull(context.Background(), ref, Options{PublicKey: stranger})
	wantRefused(t, err, "not signed")
	public := signIn(t, ref)
	if m, err := Pull(context.Background(), ref, Options{PublicKey: public}); err != nil || !m.Signed {
		t.Errorf("signed %v, %v", m.Signed, err)
	}
	_, err = Pull(context.Background(), ref, Options{PublicKey: stranger})
	wantRefused(t, err, "not the signature")
	if err := os.WriteFile(path, wasm(t, "1.0.1"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Pull(context.Background(), ref, Options{PublicKey: public})
	wantRefused(t, err, "not the signature")
}

// TestSignatureIsInCosignsForm reads a signature by its specification alone.
func TestSignatureIsInCosignsForm(t *testing.T) {
	dir := t.TempDir()
	pushed := push(t, wasm(t, "1.0.0"), layoutPrefix+dir+":1")
	public := signIn(t, pushed.Ref)
	read := func(digest string) []byte {
		content, err := os.ReadFile(filepath.Join(dir, "blobs", "sha256", digest[len("sha256:"):]))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	var index ocispec.Index
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	tag := "sha256-" + pushed.Ref.digest.Encoded() + ".sig"
	for _, d := range index.Manifests {
		if d.Annotations[ocispec.AnnotationRefName] != tag {
			continue
		}
		var m ocispec.Manifest
		if err := json.Unmarshal(read(d.Digest.String()), &m); err != nil {
			t.Fatal(err)
		}
		if len(m.Layers) != 1 || m.Layers[0].MediaType != "application/vnd.dev.cosign.simplesigning.v1+json" {
			t.Fatalf("layers %+v", m.Layers)
		}
		text := read(m.Layers[0].Digest.String())
		var p map[string]any
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		critical := p["critical"].(map[string]any)
		if critical["type"] != "cosign container image signature" || critical["image"].(map[string]any)["docker-manifest-digest"] != pushed.Ref.digest.String() {
			t.Errorf("payload %s", text)
		}
		block, _ := pem.Decode(public)
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := base64.StdEncoding.DecodeString(m.Layers[0].Annotations["dev.cosignproject.cosign/signature"])
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		if !ecdsa.VerifyASN1(key.(*ecdsa.PublicKey), sum[:], signature) {
			t.Error("the signature does not verify")
		}
		return
	}
	t.Fatalf("there is no tag %s", tag)
}

func TestKeys(t *testing.T) {
	private, _, err := NewKey([]byte("right"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(private, []byte("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----")) {
		t.Errorf("the private key is not in cosign's form: %.60s", private)
	}
	if _, err := ParsePrivateKey(private, func() ([]byte, error) { return []byte("wrong"), nil }); err == nil {
		t.Error("a wrong password decrypts the key")
	}
	key, err := ParsePrivateKey(private, func() ([]byte, error) { return []byte("right"), nil })
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(key.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})} {
		again, err := ParsePrivateKey(text, nil)
		if err != nil || !again.key.Equal(key.key) {
			t.Errorf("an unencrypted key: %v", err)
		}
	}
	for _, text := range []string{"no PEM", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"} {
		if _, err := parsePublicKey([]byte(text)); err == nil {
			t.Errorf("%q is taken for a public key", text)
		}
	}
}
