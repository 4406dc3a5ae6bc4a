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

// foldText makes a 32-bit number from a name.
func foldText(name string) uint32 {
	h := fnv.New64a()
	h.Write([]byte(name))
	sum := h.Sum64()
	return uint32(sum>>32) ^ uint32(sum)
}

// numbers gives things numbers that come from their names, so that a restarted
// agent finds the same ones. Two names that meet in one number are told apart by
// counting on.
type numbers struct {
	of    map[string]uint32
	taken map[uint32]struct{}
}

func newNumbers() *numbers { return &numbers{of: map[string]uint32{}, taken: map[uint32]struct{}{}} }

// maxNumber is the largest number of a group (OFPG_MAX).
const maxNumber = 0xffffff00

// take is the number of a name, from 1 to maxNumber.
func (n *numbers) take(name string) uint32 {
	if id, known := n.of[name]; known {
		return id
	}
	id := foldText(name)
	for {
		if id == 0 || id > maxNumber {
			id = 1
		}
		if _, taken := n.taken[id]; !taken {
			n.of[name], n.taken[id] = id, struct{}{}
			return id
		}
		id++
	}
}

// release gives up the number of a name.
func (n *numbers) release(name string) {
	delete(n.taken, n.of[name])
	delete(n.of, name)
}
