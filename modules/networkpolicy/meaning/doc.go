// Package meaning says what flow requests mean for a connection, by the words of
// the ABI, one request after the other and without any cleverness. Tests of
// policy modules hold it against a naive reading of the policy objects.
package meaning
