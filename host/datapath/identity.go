package datapath

import (
	"encoding/binary"
	"hash/fnv"

	"github.com/sluice-net/sluice/host/policy"
)

// fold makes a 32-bit number from what a part is called.
func fold(s Stage, key policy.Key, isolation bool, p partKey) uint32 {
	h := fnv.New64a()
	kind := byte(0)
	if isolation {
		kind = 1
	}
	if p.byBlock {
		kind = 2
	}
	h.Write([]byte{byte(s), kind, byte(p.port.protocol), byte(p.number >> 8), byte(p.number)})
	for _, text := range []string{key.Module, key.Name, p.port.name} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
		h.Write([]byte(text))
	}
	sum := h.Sum64()
	return uint32(sum>>32) ^ uint32(sum)
}
