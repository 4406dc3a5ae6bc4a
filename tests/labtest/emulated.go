package labtest

import "os"

// Rate is how many messages a second the streams of a test send. What a test wants of a stream is a share of its messages, so
// that it says the same at any rate.
//
// A machine that is emulated says so by SLUICE_EMULATED (tests/kernel). There eight streams at the usual rate are more than
// its processors can do: those would lose messages that nothing but the machine is in the way of.
func Rate() int {
	if os.Getenv("SLUICE_EMULATED") != "" {
		return 200
	}
	return 1000
}
