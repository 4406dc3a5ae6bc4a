package hostnet

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/google/nftables"
)

// With the userspace datapath, ovs-vswitchd reads copies of a Pod's frames and the kernel goes on to route the originals,
// past every policy. A chain at the ingress of the veth, which is run after the copy was taken, drops them (nft(8), "netdev").
const (
	dropTable  = "sluice"
	dropPrefix = "drop-"
	// dropPriority is before all that others use, so that nothing sees a frame that Open vSwitch has taken.
	dropPriority = -1000
)

// drops orders changes, because the table goes with its last chain.
type drops struct{ mu sync.Mutex }

func (h *Host) nft() (*nftables.Conn, error) {
	c, err := nftables.New(nftables.WithNetNSFd(int(h.ns)))
	if err != nil {
		return nil, fmt.Errorf("open an nftables socket: %w", err)
	}
	return c, nil
}

// Drop makes the kernel drop what comes in from the veth; changed says that it did not before. Each veth has its own chain,
// so that attaching one Pod never touches another's.
func (h *Host) Drop(veth string) (changed bool, err error) {
	h.drops.mu.Lock()
	defer h.drops.mu.Unlock()
	c, err := h.nft()
	if err != nil {
		return false, err
	}
	have, err := dropping(c)
	if err != nil || have[veth] {
		return false, err
	}
	priority, policy := nftables.ChainPriority(dropPriority), nftables.ChainPolicyDrop
	table := c.AddTable(&nftables.Table{Name: dropTable, Family: nftables.TableFamilyNetdev})
	c.AddChain(&nftables.Chain{
		Name: dropPrefix + veth, Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookIngress, Priority: &priority, Policy: &policy, Device: veth,
	})
	if err := c.Flush(); err != nil {
		return false, fmt.Errorf("make the kernel drop frames from %s (nftables chain netdev %s %s%s): %w", veth, dropTable, dropPrefix, veth, err)
	}
	return true, nil
}

// Undrop ends Drop. A veth that is not dropped, or is gone, is no error.
func (h *Host) Undrop(veth string) error {
	h.drops.mu.Lock()
	defer h.drops.mu.Unlock()
	c, err := h.nft()
	if err != nil {
		return err
	}
	have, err := dropping(c)
	if err != nil || !have[veth] {
		return err
	}
	table := &nftables.Table{Name: dropTable, Family: nftables.TableFamilyNetdev}
	c.DelChain(&nftables.Chain{Name: dropPrefix + veth, Table: table})
	if len(have) == 1 {
		c.DelTable(table)
	}
	if err := c.Flush(); err != nil && !gone(err) {
		return fmt.Errorf("remove nftables chain netdev %s %s%s: %w", dropTable, dropPrefix, veth, err)
	}
	return nil
}

// Dropped lists the veths with a chain, also those of a process before this one.
func (h *Host) Dropped() ([]string, error) {
	c, err := h.nft()
	if err != nil {
		return nil, err
	}
	have, err := dropping(c)
	var names []string
	for veth := range have {
		names = append(names, veth)
	}
	return names, err
}

func dropping(c *nftables.Conn) (map[string]bool, error) {
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyNetdev)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, fmt.Errorf("list nftables chains of family netdev: %w", err)
	}
	have := map[string]bool{}
	for _, chain := range chains {
		if veth, ok := strings.CutPrefix(chain.Name, dropPrefix); ok && chain.Table.Name == dropTable {
			have[veth] = true
		}
	}
	return have, nil
}
