package attach

import (
	"context"
	"errors"
	"fmt"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/sluice-net/sluice/host/hostnet"
	"github.com/sluice-net/sluice/host/ovsdb"
)

// Error codes of Sluice's answers, beside those of the CNI specification. 100 and above are free for plugins.
const (
	CodeNoInterface     uint = 100 // the Pod's interface, or its end on the node, is not there
	CodeNotVeth         uint = 101 // the Pod's interface is of a kind that cannot be put on a bridge
	CodeOtherBridge     uint = 102 // the veth is on another bridge
	CodePeerElsewhere   uint = 103 // the veth's other end is not in the agent's network namespace
	CodePortRefused     uint = 104 // Open vSwitch does not take the veth as a port
	CodeAddressTaken    uint = 105 // another attached Pod has the address
	CodeSecondInterface uint = 106 // the Pod has an interface on the bridge already
	CodeStep            uint = 107 // a change to the node failed
	CodeCheck           uint = 108 // CHECK found that something is not as ADD left it
	CodeRuledByDevice   uint = 109 // the node's routing rules name the Pod's device
)

// StepError says which step of attaching or detaching a Pod failed, and whether the node is as it was before.
type StepError struct {
	Pod  string // namespace/name
	Verb string // "attach" or "detach"
	Step string
	Err  error
	Undo error // what could not be undone; nil if everything was
}

func (e *StepError) Error() string {
	text := fmt.Sprintf("%s Pod %s: %s: %v", e.Verb, e.Pod, e.Step, e.Err)
	if e.Undo != nil {
		text += fmt.Sprintf(" (and what was done before could not all be undone: %v)", e.Undo)
	}
	return text
}

func (e *StepError) Unwrap() []error { return []error{e.Err, e.Undo} }

// again is the remedy for what may go away by itself.
const again = "the runtime tries again by itself; see the logs of sluice-agent and ovs-vswitchd if it goes on"

// answer turns an error into what the CNI specification wants: a code, a message and a remedy.
func answer(err error) *types.Error {
	var cni *types.Error
	var veth *hostnet.VethError
	var bridge *ovsdb.OtherBridgeError
	var refused *ovsdb.RefusedError
	var step *StepError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &cni):
		return cni
	case errors.As(err, &veth):
		return types.NewError(vethCode(veth.Problem), err.Error(), veth.Remedy)
	case errors.As(err, &bridge):
		return types.NewError(CodeOtherBridge, err.Error(),
			fmt.Sprintf("take it off with `ovs-vsctl del-port %s %s`, or do not chain sluice-cni after the plugin that puts it there", bridge.Bridge, bridge.Port))
	case errors.As(err, &refused):
		return types.NewError(CodePortRefused, err.Error(), "see the log of ovs-vswitchd; the network device must exist and be on no other bridge")
	case errors.Is(err, ovsdb.ErrNotApplied), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return types.NewError(types.ErrTryAgainLater, err.Error(), again)
	case errors.As(err, &step):
		return types.NewError(CodeStep, err.Error(), again)
	default:
		return types.NewError(types.ErrInternal, err.Error(), again)
	}
}

func vethCode(p hostnet.VethProblem) uint {
	switch p {
	case hostnet.NoNetns:
		return types.ErrInvalidNetNS
	case hostnet.NoInterface:
		return CodeNoInterface
	case hostnet.NotVeth:
		return CodeNotVeth
	case hostnet.OtherBridge:
		return CodeOtherBridge
	case hostnet.PeerElsewhere:
		return CodePeerElsewhere
	case hostnet.RuledByDevice:
		return CodeRuledByDevice
	}
	return types.ErrInternal
}
