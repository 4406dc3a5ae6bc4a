// Kernel runs tests on the kernel datapath of Open vSwitch, on a machine whose own
// kernel may have none: it boots Debian's kernel in QEMU, without acceleration,
// with an initramfs made of the modules that are needed, this machine's Open
// vSwitch, the programs of `make build` and the compiled tests.
//
//	go run ./tests/kernel [-part NAME,...] [-run REGEXP]
//
// parts.go lists what is run. The guest says how each part ended, and the
// exit status is 1 if one failed.
//
// It needs root for apt-get only. What it downloads and unpacks stays in the
// user's cache directory. Times inside the guest say nothing, as it is emulated;
// ratios of two times do.
package main
