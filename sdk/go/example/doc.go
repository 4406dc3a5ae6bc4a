// Command example is the smallest useful module: it lets the Pods of each
// namespace reach each other, and closes a namespace that is labelled
// "example.sluice.net/closed": "true" to everybody else.
//
// It is here to be copied. Build it with
//
//	GOOS=wasip1 GOARCH=wasm go build -trimpath -ldflags='-s -w' -buildmode=c-shared -o example.wasm ./sdk/go/example
//	go run ./sdk/go/cmd/sluice-manifest -manifest sdk/go/example/manifest.json -in example.wasm -out example.wasm
package main
