package sluice

import "github.com/sluice-net/sluice/abi"

// blocksPerRequest: a set with more blocks is put with the first of them and
// patched with the others, so that no request comes near abi.MaxEmit. A block
// with a few exceptions is below 256 bytes.
const blocksPerRequest = 1024

// appendRequest is abi.AppendRequest, in parts where the request is large.
func appendRequest(b []byte, r abi.Request) []byte {
	put, ok := r.(*abi.PutSet)
	if !ok {
		return abi.AppendRequest(b, r)
	}
	addresses, ok := put.Spec.(*abi.Addresses)
	if !ok || len(addresses.Blocks) <= blocksPerRequest {
		return abi.AppendRequest(b, r)
	}
	rest := addresses.Blocks
	b = abi.AppendRequest(b, &abi.PutSet{Name: put.Name, Spec: &abi.Addresses{Blocks: rest[:blocksPerRequest]}})
	for rest = rest[blocksPerRequest:]; len(rest) > 0; {
		n := min(len(rest), blocksPerRequest)
		b = abi.AppendRequest(b, &abi.PatchSet{Name: put.Name, Add: rest[:n]})
		rest = rest[n:]
	}
	return b
}

// firstRequest is the length of the first request in b, which this package has
// encoded: a tag of one byte, a length, that many bytes.
func firstRequest(b []byte) int {
	n, shift := 0, uint(0)
	for i := 1; i < len(b); i++ {
		n |= int(b[i]&0x7f) << shift
		if b[i] < 0x80 {
			return i + 1 + n
		}
		shift += 7
	}
	return len(b)
}
