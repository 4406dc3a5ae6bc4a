package embedded

import (
	"bytes"
	"testing"
)

func TestModule(t *testing.T) {
	wasm, err := Module("networkpolicy")
	if err != nil {
		t.Fatal(err)
	}
	if magic := []byte("\x00asm\x01\x00\x00\x00"); !bytes.HasPrefix(wasm, magic) {
		t.Errorf("the module begins with %x, want %x", wasm[:min(8, len(wasm))], magic)
	}
	if !bytes.Contains(wasm, []byte("sluice.manifest")) {
		t.Error("the module has no manifest: was it copied before sluice-manifest ran?")
	}
	_, err = Module("nothing")
	if want := `there is no built-in module "nothing": use one of clusternetworkpolicy, networkpolicy, or name a file`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
