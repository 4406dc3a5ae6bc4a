// Package ovsdb owns Sluice's bridge in the Open vSwitch database: the bridge, its gateway port and one port per attached
// Pod, with everything that is needed to undo an attachment kept in the ports' external_ids.
//
// What it promises: every change is one transaction; what is already right is not written again (writing fail_mode or
// controllers makes ovs-vswitchd flush all flows); a call that adds something returns once ovs-vswitchd has answered for it,
// with the OpenFlow port number or with ovs-vswitchd's own error text. It waits for monitor events and does not poll.
//
// What it never does: touch a bridge that it was not told to, set controllers, or speak OpenFlow.
//
// When ovsdb-server dies, calls wait for it until their context ends and go on when it is back. When the process that uses
// this package dies, the database keeps everything: Ports is how the next process finds it again.
package ovsdb
