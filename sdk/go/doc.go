// Package sluice is what the author of a policy module in Go imports.
//
// A module is a type with the methods of Module, registered in an init function
// of a main package whose main is empty:
//
//	func init() { sluice.Register(func() sluice.Module { return &module{} }) }
//	func main() {}
//
// and built with
//
//	GOOS=wasip1 GOARCH=wasm go build -trimpath -ldflags='-s -w' -buildmode=c-shared -o module.wasm .
//	go run github.com/sluice-net/sluice/sdk/go/cmd/sluice-manifest -manifest manifest.json -in module.wasm -out module.wasm
//
// The host hands objects to the module in batches; the module answers through
// the Tx that every method gets. Most modules only ever call Tx.Declare: "these
// are the requests that this object stands for". The package then works out what
// to put and what to delete, and the rule that a batch is a pure function of
// state (see abi/README.md) holds by itself, as long as what is declared for an
// object depends on nothing but the objects that exist.
//
// All requests of a batch take effect together, after the last method has
// returned. If any method returns an error, or the host refuses a request, none
// does, and the host hands the whole state over again (Reset). So an error means
// "this cannot go on", not "this object is wrong": say the latter with a Report,
// and leave what stood for the object before, or declare nothing.
//
// The package never starts a goroutine, opens nothing, and is not safe for use by
// several goroutines. It keeps to what TinyGo has: no reflection, no
// encoding/json (package jsonscan reads JSON), no fmt. Outside of Wasm the same
// code runs under package moduletest, with plain "go test".
package sluice
