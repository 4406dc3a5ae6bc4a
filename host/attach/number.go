package attach

import "context"

// numbered are the steps of a port whose flows are there before it.
type numbered struct {
	number step // promises the port a number, for the flows
	port   step
	other  step // writes the flows again if ovs-vswitchd gave the port another number
}

func (a *Attacher) numbered(at *Attachment, p parts) numbered {
	release := func() {}
	var promised uint32
	n := numbered{
		number: step{
			name:  "reserve a port number",
			flows: true,
			do: func(ctx context.Context) (err error) {
				if at.OFPort == 0 { // else it has been attached with this one before
					at.OFPort, release, err = a.opts.OVS.ReserveNumber(ctx, a.opts.Bridge.Name)
				}
				promised = at.OFPort
				return err
			},
			undo: func(context.Context) error { release(); return nil },
		},
		port: p.port,
		other: step{
			name:  "install its flows for another port number",
			flows: true,
			do: func(ctx context.Context) error {
				if at.OFPort == promised {
					return nil
				}
				return p.flows.do(ctx)
			},
			undo: func(context.Context) error { return nil },
		},
	}
	n.port.do = func(ctx context.Context) error { defer release(); return p.port.do(ctx) }
	return n
}
