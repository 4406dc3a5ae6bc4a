package ovsdb

import (
	"context"
	"fmt"
)

// OpenFlow port numbers that Sluice asks for. The numbers below are left to the gateway and to ports that a person adds;
// the schema allows no request above 65279.
const (
	firstNumber = 16
	lastNumber  = 65279
)

// numbered is what is known about the numbers of one bridge.
type numbered struct {
	next    int
	pending map[int]bool // promised, and not in the database yet
}

// takeNumber picks an OpenFlow port number that no port of the bridge has or asks for. Numbers are given out in turn, so that
// one that was just freed is not used again at once by another Pod. The caller gives it back with giveNumber once the
// database has it or the port was refused.
//
// The number is requested explicitly because ovs-vswitchd otherwise picks new ones after a restart, and every flow names them.
func (c *Client) takeNumber(ctx context.Context, bridge string) (int, error) {
	ports, err := c.Ports(ctx, bridge)
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.numbers[bridge]
	used, highest := make(map[int]bool, len(ports)), firstNumber-1
	for _, p := range ports {
		for _, number := range []int{int(p.OFPort), p.requested} {
			used[number] = true
			if number <= lastNumber {
				highest = max(highest, number)
			}
		}
	}
	if n.next == 0 { // a new process goes on after the ports that it finds
		n = numbered{next: highest + 1, pending: map[int]bool{}}
	}
	for range lastNumber - firstNumber + 1 {
		if n.next > lastNumber {
			n.next = firstNumber
		}
		number := n.next
		n.next++
		if !used[number] && !n.pending[number] {
			n.pending[number] = true
			c.numbers[bridge] = n
			return number, nil
		}
	}
	return 0, fmt.Errorf("bridge %s has no free OpenFlow port number between %d and %d", bridge, firstNumber, lastNumber)
}

func (c *Client) giveNumber(bridge string, number int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.numbers[bridge].pending, number)
}

// ReserveNumber promises an OpenFlow port number that no port of the bridge has, for a caller that writes flows before the
// port is there. It is the caller's until release; AddPort with PortOptions.OFPort uses it.
func (c *Client) ReserveNumber(ctx context.Context, bridge string) (number uint32, release func(), err error) {
	taken, err := c.takeNumber(ctx, bridge)
	if err != nil {
		return 0, nil, err
	}
	return uint32(taken), func() { c.giveNumber(bridge, taken) }, nil
}
