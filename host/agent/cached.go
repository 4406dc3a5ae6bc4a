package agent

import "context"

// followed waits until the bridge's cache of decisions has followed its tables. A
// barrier says that the tables have changed; what was decided for packets alike is
// brought up to date by threads of ovs-vswitchd a little later, milliseconds as a
// rule (ovs-vswitchd(8), revalidator/wait). What is said to be in force is so only
// afterwards. Without an answer it is taken for done: the next look asks again.
func (a *agent) followed(ctx context.Context) {
	socket, err := controlSocket(a.Config.OVS.RunDir)
	if err == nil {
		_, err = control(ctx, socket, "revalidator/wait")
	}
	if err != nil && ctx.Err() == nil {
		a.log.Debug("waiting for the bridge's cache of decisions", "error", err)
	}
}
