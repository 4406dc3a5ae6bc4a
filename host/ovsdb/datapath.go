package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// DatapathTypes lists what ovs-vswitchd was built with (Open_vSwitch.datapath_types), once it has started and said so. It
// names "system" also where the kernel has no Open vSwitch: see KernelDatapath.
func (c *Client) DatapathTypes(ctx context.Context) ([]string, error) {
	var types []string
	err := c.until(ctx, func() (bool, error) {
		root, err := c.root(ctx)
		if err == nil {
			types = root.DatapathTypes
		}
		return len(types) > 0, err
	})
	if err != nil {
		return nil, fmt.Errorf("learn the datapath types of ovs-vswitchd (is it running?): %w", err)
	}
	return types, nil
}

// KernelDatapath says whether the running kernel has the datapath, by asking it for the generic netlink family
// "ovs_datapath", which also makes the kernel load the module openvswitch if there is one.
func KernelDatapath() (bool, error) {
	h, err := netlink.NewHandleAt(netns.None(), unix.NETLINK_GENERIC)
	if err != nil {
		return false, fmt.Errorf("open a generic netlink socket: %w", err)
	}
	defer h.Close()
	_, err = h.GenlFamilyGet("ovs_datapath")
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask the kernel for the netlink family ovs_datapath: %w", err)
	}
	return true, nil
}

// ChooseDatapath returns "system" where the kernel has the datapath and "netdev" elsewhere.
func (c *Client) ChooseDatapath(ctx context.Context) (string, error) {
	kernel, err := KernelDatapath()
	if err != nil {
		return "", err
	}
	if kernel {
		return SystemDatapath, nil
	}
	types, err := c.DatapathTypes(ctx)
	if err != nil {
		return "", err
	}
	if !slices.Contains(types, NetdevDatapath) {
		return "", fmt.Errorf("the kernel has no Open vSwitch (load the module openvswitch), and ovs-vswitchd has no userspace datapath: it offers %v", types)
	}
	return NetdevDatapath, nil
}
