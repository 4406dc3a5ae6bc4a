package child

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/sluice-net/sluice/host/sandbox"
)

// Main is the program. It returns the exit code: 0 when the agent closed the
// socket, 1 when it could not do its work.
//
// The socket is read and written by plain blocking system calls, so that the
// child needs neither goroutines nor a poller.
func Main() int {
	link := &link{fd: sandbox.ChildFD}
	if err := run(context.Background(), link); err != nil && !errors.Is(err, io.EOF) {
		return 1
	}
	return 0
}

func run(ctx context.Context, link *link) error {
	var limits sandbox.Limits
	payload, err := link.expect(sandbox.FrameConfine)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(payload, &limits); err != nil {
		return link.fail(fmt.Errorf("reading the limits: %w", err))
	}
	limits = limits.WithDefaults()
	confinement, err := confine(limits)
	if err != nil {
		return link.fail(fmt.Errorf("confining the process: %w", err))
	}
	report, err := json.Marshal(confinement)
	if err != nil {
		return link.fail(err)
	}
	if err := link.send(sandbox.FrameConfined, report); err != nil {
		return err
	}

	wasm, err := link.expect(sandbox.FrameLoad)
	if err != nil {
		return err
	}
	guest, err := load(ctx, wasm, limits, link)
	if err != nil {
		return link.fault(err)
	}
	link.forget() // the module's bytes: the compiled module does not need them
	if err := link.send(sandbox.FrameLoaded); err != nil {
		return err
	}

	for {
		batch, err := link.expect(sandbox.FrameBatch)
		if err != nil {
			return err
		}
		code, err := guest.handle(ctx, batch)
		if err != nil {
			return link.fault(err)
		}
		if err := link.sendInt(sandbox.FrameDone, code); err != nil {
			return err
		}
	}
}
