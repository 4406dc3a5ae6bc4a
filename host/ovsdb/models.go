package ovsdb

import (
	"maps"
	"slices"

	"github.com/ovn-org/libovsdb/model"
)

// The rows below hold only the columns that Sluice reads or writes, so that the statistics which ovs-vswitchd writes every
// few seconds are never sent here. The columns are described in ovs-vswitchd.conf.db(5).

type rootRow struct {
	UUID          string   `ovsdb:"_uuid"`
	Bridges       []string `ovsdb:"bridges"`
	CurCfg        int      `ovsdb:"cur_cfg"`
	NextCfg       int      `ovsdb:"next_cfg"`
	DatapathTypes []string `ovsdb:"datapath_types"`
	OVSVersion    *string  `ovsdb:"ovs_version"`
}

type bridgeRow struct {
	UUID         string            `ovsdb:"_uuid"`
	Name         string            `ovsdb:"name"`
	Ports        []string          `ovsdb:"ports"`
	FailMode     *string           `ovsdb:"fail_mode"`
	DatapathType string            `ovsdb:"datapath_type"`
	DatapathID   *string           `ovsdb:"datapath_id"`
	Protocols    []string          `ovsdb:"protocols"`
	OtherConfig  map[string]string `ovsdb:"other_config"`
	ExternalIDs  map[string]string `ovsdb:"external_ids"`
}

type portRow struct {
	UUID       string   `ovsdb:"_uuid"`
	Name       string   `ovsdb:"name"`
	Interfaces []string `ovsdb:"interfaces"`
}

type interfaceRow struct {
	UUID          string            `ovsdb:"_uuid"`
	Name          string            `ovsdb:"name"`
	Type          string            `ovsdb:"type"`
	MAC           *string           `ovsdb:"mac"`
	MACInUse      *string           `ovsdb:"mac_in_use"`
	MTU           *int              `ovsdb:"mtu"`
	MTURequest    *int              `ovsdb:"mtu_request"`
	OFPort        *int              `ovsdb:"ofport"`
	OFPortRequest *int              `ovsdb:"ofport_request"`
	Error         *string           `ovsdb:"error"`
	ExternalIDs   map[string]string `ovsdb:"external_ids"`
}

// CloneModel and its companions keep libovsdb from copying rows by way of JSON.

func (r *rootRow) CloneModel() model.Model {
	c := *r
	c.Bridges, c.DatapathTypes, c.OVSVersion = slices.Clone(r.Bridges), slices.Clone(r.DatapathTypes), clonePointer(r.OVSVersion)
	return &c
}

func (r *rootRow) CloneModelInto(m model.Model) { *m.(*rootRow) = *r.CloneModel().(*rootRow) }

func (r *bridgeRow) CloneModel() model.Model {
	c := *r
	c.Ports, c.Protocols = slices.Clone(r.Ports), slices.Clone(r.Protocols)
	c.OtherConfig, c.ExternalIDs = maps.Clone(r.OtherConfig), maps.Clone(r.ExternalIDs)
	c.FailMode, c.DatapathID = clonePointer(r.FailMode), clonePointer(r.DatapathID)
	return &c
}

func (r *bridgeRow) CloneModelInto(m model.Model) { *m.(*bridgeRow) = *r.CloneModel().(*bridgeRow) }

func (r *portRow) CloneModel() model.Model {
	c := *r
	c.Interfaces = slices.Clone(r.Interfaces)
	return &c
}

func (r *portRow) CloneModelInto(m model.Model) { *m.(*portRow) = *r.CloneModel().(*portRow) }

func (r *interfaceRow) CloneModel() model.Model {
	c := *r
	c.MAC, c.MACInUse, c.Error = clonePointer(r.MAC), clonePointer(r.MACInUse), clonePointer(r.Error)
	c.MTU, c.MTURequest = clonePointer(r.MTU), clonePointer(r.MTURequest)
	c.OFPort, c.OFPortRequest = clonePointer(r.OFPort), clonePointer(r.OFPortRequest)
	c.ExternalIDs = maps.Clone(r.ExternalIDs)
	return &c
}

func (r *interfaceRow) CloneModelInto(m model.Model) {
	*m.(*interfaceRow) = *r.CloneModel().(*interfaceRow)
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func valueOr[T any](p *T, fallback T) T {
	if p == nil {
		return fallback
	}
	return *p
}
