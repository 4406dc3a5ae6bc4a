// Package ovstest starts private Open vSwitch instances for tests.
//
// Each Instance is an ovsdb-server and an ovs-vswitchd with their own directory, database and network namespace, so that
// any number of them run side by side and none touches the machine's own Open vSwitch.
// They use the userspace datapath, which needs no kernel module, unless asked for the kernel's.
//
// What it promises: when Start returns, the database answers; when AddBridge returns, the bridge's OpenFlow socket accepts
// connections. Both daemons end with the test, and also when the test process itself is killed.
//
// What it never does: kill by name, or leave files behind. Everything it started is ended by process id.
package ovstest
