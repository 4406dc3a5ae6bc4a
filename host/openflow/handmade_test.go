package openflow

import (
	"strings"
	"testing"
)

// TestHandMadeFlowsAreKept dumps flows with fields, actions and instructions that this package has no words for,
// deletes them by their keys, and puts them back as they were.
func TestHandMadeFlowsAreKept(t *testing.T) {
	ovs, c := bridge(t)
	texts := []string{
		"table=1, priority=1 actions=write_actions(output:2),write_metadata:0x5/0xff,goto_table:3",
		"table=1, priority=2 actions=clear_actions",
		"table=1, priority=3,ip actions=multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[]),sample(probability=1,collector_set_id=2,obs_domain_id=3,obs_point_id=4)",
		"table=1, priority=4,mpls,mpls_label=100 actions=dec_mpls_ttl,output:1",
		"table=1, priority=5,tun_src=10.0.0.1,tun_dst=10.0.0.2,in_port=1 actions=set_queue:1,output:1,pop_queue",
		"table=1, priority=6,tcp,tun_flags=oam actions=fin_timeout(idle_timeout=1),check_pkt_larger(1500)->NXM_NX_IPV6_DST[3],output:4",
		"table=1, priority=7,actset_output=2 actions=output:4",
		"table=1, priority=8,icmp6,icmp_type=135,icmp_code=0,nd_target=fd00::1 actions=set_field:2->nd_options_type,set_field:136->icmpv6_type,IN_PORT",
		"table=1, priority=9,vlan_tci=0x1003/0x1fff actions=move:NXM_OF_VLAN_TCI[]->NXM_NX_REG1[0..15],learn(table=3,NXM_OF_VLAN_TCI[0..11],load:0x1->NXM_NX_REG2[])",
		"table=1, priority=10 actions=resubmit:7,output(port=3,max_len=100),enqueue:1:2",
	}
	for _, text := range texts {
		ovs.OFCtl("br0", "add-flow", text)
	}
	before := dumped(t, c)
	if len(before) != len(texts) {
		t.Fatalf("%d flows, want %d", len(before), len(texts))
	}
	text := ovs.OFCtl("br0", "dump-flows", "--no-stats", "--no-names")
	var remove, restore []Mod
	for key, f := range before {
		if _, err := f.Actions.Decode(); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		remove = append(remove, DeleteFlowStrict(key))
		restore = append(restore, AddFlow(f))
	}
	if err := c.Apply(within(t), remove); err != nil {
		t.Fatal(err)
	}
	wantFlows(t, c)
	if err := c.Apply(within(t), restore); err != nil {
		t.Fatal(err)
	}
	after := dumped(t, c)
	for key, f := range before {
		if after[key] != f {
			t.Errorf("was %s, is %s", f, after[key])
		}
	}
	lines := func(text string) map[string]bool {
		set := make(map[string]bool)
		for line := range strings.Lines(text) {
			set[strings.TrimSpace(line)] = true
		}
		return set
	}
	now := lines(ovs.OFCtl("br0", "dump-flows", "--no-stats", "--no-names"))
	for line := range lines(text) {
		if !now[line] {
			t.Errorf("gone: %s", line)
		}
	}
}
