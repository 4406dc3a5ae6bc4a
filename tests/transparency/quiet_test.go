package transparency

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"

	"github.com/sluice-net/sluice/host/lab"
)

// Ports of the tests' packets. To the quiet ones no kernel answers, so that a
// test can be both ends of a connection; to closedPort it does.
const (
	firstQuiet = 0x4000
	quietPort  = 0x7000
	lastQuiet  = 0x7000
	closedPort = 0x7100
)

// quiet makes the kernel of an end leave packets to quiet ports alone (they are
// dropped behind the place where sniffers listen), and answer with ICMP errors
// as often as there is reason to.
func quiet(t *testing.T, l *lab.Lab, end string) {
	t.Helper()
	unlimited(t, l, end)
	in(t, l, end, func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		table := c.AddTable(&nftables.Table{Name: "quiet", Family: nftables.TableFamilyINet})
		chain := c.AddChain(&nftables.Chain{
			Name: "input", Table: table, Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
		})
		for _, proto := range []byte{protoTCP, protoUDP, protoSCTP} {
			c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
				&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
				&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{proto}},
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
				&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: binaryutil.BigEndian.PutUint16(firstQuiet), ToData: binaryutil.BigEndian.PutUint16(lastQuiet)},
				&expr.Verdict{Kind: expr.VerdictDrop},
			}})
		}
		return c.Flush()
	})
}

// unlimited lifts the kernel's limits of ICMP errors (ip-sysctl.rst), in the
// namespace of an end or of the router.
func unlimited(t *testing.T, l *lab.Lab, end string) {
	t.Helper()
	in(t, l, end, func() error {
		return errors.Join(
			set("ipv4/icmp_ratemask", "0"),
			set("ipv6/icmp/ratelimit", "0"),
			set("ipv6/icmp/ratemask", "255"))
	})
}

func set(name, value string) error {
	if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o644); err != nil {
		return fmt.Errorf("kernel setting net/%s: %w", name, err)
	}
	return nil
}
