package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/sluice-net/sluice/cni/wire"
)

func add(args *skel.CmdArgs) error {
	c, err := parseConfig(args.StdinData)
	if err != nil {
		return err
	}
	if len(c.PrevResult) == 0 || bytes.Equal(c.PrevResult, []byte("null")) {
		return types.NewError(types.ErrInvalidNetworkConfig, "sluice-cni got no prevResult",
			"put sluice-cni after the plugin that makes the Pod's interface, in the same list of plugins")
	}
	response, err := forward(wire.Add, args, types.ErrTryAgainLater)
	if err != nil {
		return err
	}
	return printResult(response.Result, c.CNIVersion)
}

// del of a Pod that came before Sluice was uninstalled has nothing to do, and the agent may be gone.
func del(args *skel.CmdArgs) error {
	err := plain(wire.Del, args, types.ErrTryAgainLater)
	if c, bad := parseConfig(args.StdinData); err != nil && bad == nil {
		if _, missing := os.Stat(wire.RetiredFile(c.Socket)); missing == nil {
			return nil
		}
	}
	return err
}

func check(args *skel.CmdArgs) error { return plain(wire.Check, args, types.ErrTryAgainLater) }
func gc(args *skel.CmdArgs) error    { return plain(wire.GC, args, types.ErrTryAgainLater) }

func status(args *skel.CmdArgs) error { return plain(wire.Status, args, types.ErrPluginNotAvailable) }

func plain(command string, args *skel.CmdArgs, unavailable uint) error {
	_, err := forward(command, args, unavailable)
	return err
}

// forward asks the agent. Its errors are *types.Error, as the CNI specification wants them.
func forward(command string, args *skel.CmdArgs, unavailable uint) (*wire.Response, error) {
	c, err := parseConfig(args.StdinData)
	if err != nil {
		return nil, err
	}
	pairs, err := parseArgs(args.Args)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout())
	defer cancel()
	response, err := wire.Call(ctx, c.Socket, &wire.Request{
		Command: command, ContainerID: args.ContainerID, Netns: args.Netns, IfName: args.IfName,
		Args: pairs, Path: args.Path, Config: args.StdinData,
	})
	var unreachable *wire.UnreachableError
	var tooLong *wire.TooLongError
	switch {
	case errors.As(err, &unreachable):
		return nil, types.NewError(unavailable, fmt.Sprintf("the Sluice agent is not running: nobody listens on %s", c.Socket),
			fmt.Sprintf("start sluice-agent, or set \"socket\" in the CNI configuration to where it listens (%v)", unreachable.Err))
	case errors.As(err, &tooLong):
		return nil, types.NewError(types.ErrInvalidNetworkConfig, tooLong.Error(), "make the CNI configuration or its prevResult smaller")
	case err != nil:
		return nil, types.NewError(unavailable, err.Error(), fmt.Sprintf("see the log of sluice-agent; it was given %v", c.timeout()))
	case response.Error != nil:
		return nil, response.Error
	}
	return response, nil
}

// printResult prints prevResult as it came, or in the version that the configuration asks for if it has another one.
func printResult(prevResult []byte, want string) error {
	var head struct {
		CNIVersion string `json:"cniVersion"`
	}
	if err := json.Unmarshal(prevResult, &head); err != nil {
		return types.NewError(types.ErrDecodingFailure, "prevResult cannot be read", err.Error())
	}
	have := head.CNIVersion
	if have == "" || have == want { // results before version 1.0.0 may leave it out; it is then that of the configuration
		if _, err := os.Stdout.Write(append(prevResult, '\n')); err != nil {
			return types.NewError(types.ErrIOFailure, "the result cannot be written", err.Error())
		}
		return nil
	}
	result, err := version.NewResult(have, prevResult)
	if err != nil {
		return types.NewError(types.ErrDecodingFailure, "prevResult cannot be read", err.Error())
	}
	if err := types.PrintResult(result, want); err != nil {
		return types.NewError(types.ErrIncompatibleCNIVersion,
			fmt.Sprintf("prevResult of version %s cannot be given in version %s", have, want), err.Error())
	}
	return nil
}
