package ovsdb

import (
	"context"
	"errors"
	"fmt"

	"github.com/ovn-org/libovsdb/model"
	"github.com/ovn-org/libovsdb/ovsdb"
)

// ErrNotApplied says that the database has the change, but ovs-vswitchd did not confirm it in the time given: it is not
// running, or busy. It applies the change when it is back.
var ErrNotApplied = errors.New("ovs-vswitchd has not applied the change (is it running?)")

func (c *Client) root(ctx context.Context) (*rootRow, error) {
	var rows []rootRow
	if err := c.db.List(ctx, &rows); err != nil {
		return nil, fmt.Errorf("read the table Open_vSwitch: %w", err)
	}
	if len(rows) != 1 {
		return nil, fmt.Errorf("the table Open_vSwitch has %d rows instead of 1: run `ovs-vsctl --no-wait init`", len(rows))
	}
	return &rows[0], nil
}

// apply runs the operations as one transaction, and returns the number that ovs-vswitchd will show in cur_cfg when it has
// applied them (ovs-vswitchd.conf.db(5), next_cfg).
func (c *Client) apply(ctx context.Context, operations ...ovsdb.Operation) (int, error) {
	root, err := c.root(ctx)
	if err != nil {
		return 0, err
	}
	increment, err := c.db.Where(root).Mutate(root, model.Mutation{Field: &root.NextCfg, Mutator: ovsdb.MutateOperationAdd, Value: 1})
	if err != nil {
		return 0, fmt.Errorf("ask for a confirmation: %w", err)
	}
	operations = append(operations, increment...)
	operations = append(operations, ovsdb.Operation{
		Op: ovsdb.OperationSelect, Table: rootTable, Columns: []string{"next_cfg"},
		Where: []ovsdb.Condition{ovsdb.NewCondition("_uuid", ovsdb.ConditionEqual, ovsdb.UUID{GoUUID: root.UUID})},
	})
	results, err := c.transact(ctx, operations...)
	if err != nil {
		return 0, err
	}
	rows := results[len(operations)-1].Rows
	if len(rows) != 1 {
		return 0, errors.New("the row of the table Open_vSwitch has gone")
	}
	switch n := rows[0]["next_cfg"].(type) {
	case int:
		return n, nil
	case float64:
		return int(n), nil
	default:
		return 0, fmt.Errorf("next_cfg is %v, want a number", n)
	}
}

// waitApplied returns once ovs-vswitchd has applied the configuration with this number, or ErrNotApplied.
func (c *Client) waitApplied(ctx context.Context, config int) error {
	err := c.until(ctx, func() (bool, error) {
		root, err := c.root(ctx)
		return err == nil && root.CurCfg >= config, err
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotApplied, err)
	}
	return nil
}

// WaitApplied returns once ovs-vswitchd has applied everything that the database holds now, or ErrNotApplied when ctx ends.
func (c *Client) WaitApplied(ctx context.Context) error {
	config, err := c.apply(ctx)
	if err != nil {
		return fmt.Errorf("ask ovs-vswitchd for a confirmation: %w", err)
	}
	return c.waitApplied(ctx, config)
}
