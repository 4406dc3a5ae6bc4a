// Command registry is the reference container registry, for tests: it keeps
// everything in memory, listens on a free port of the loopback interface, says
// on standard output which, and ends when its standard input does.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	config := &configuration.Configuration{Storage: configuration.Storage{
		"inmemory": configuration.Parameters{},
		"delete":   configuration.Parameters{"enabled": true},
	}}
	config.Log.Level = "error"
	config.HTTP.Secret = "for one test"
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is what matters
		os.Exit(0)
	}()
	fmt.Println(listener.Addr())
	return http.Serve(listener, handlers.NewApp(ctx, config))
}
