package openflow

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
)

// MeterEntry limits the rate of packets that pass through it. Above the rate it drops them.
type MeterEntry struct {
	ID      uint32 // from 1 up to 0xffff0000
	Packets bool   // Rate and Burst count packets; otherwise kilobits
	Rate    uint32 // per second
	Burst   uint32 // how many may pass at once after a pause; 0 leaves it to Open vSwitch
	// ExtraBands are bands other than the one above, as bytes: this package makes no such bands.
	ExtraBands string
}

const (
	meterAdd     = 0
	meterModify  = 1
	meterDelete  = 2
	meterKbps    = 1
	meterPackets = 2
	meterBurst   = 4
	meterStats   = 8
	bandDrop     = 1
	meterAll     = 0xffffffff
)

// AddMeter adds a meter. It fails with ErrMeterExists if there is one with its id.
// Meters cannot be part of a bundle: Open vSwitch would refuse it.
func (c *Conn) AddMeter(ctx context.Context, m MeterEntry) error {
	return c.meterMod(ctx, "add", meterAdd, m)
}

// ModifyMeter replaces a meter. It fails with ErrUnknownMeter if there is none with its id.
func (c *Conn) ModifyMeter(ctx context.Context, m MeterEntry) error {
	return c.meterMod(ctx, "modify", meterModify, m)
}

// DeleteMeter deletes a meter, and all flows that use it.
func (c *Conn) DeleteMeter(ctx context.Context, id uint32) error {
	return c.meterMod(ctx, "delete", meterDelete, MeterEntry{ID: id})
}

func (c *Conn) meterMod(ctx context.Context, verb string, command uint16, m MeterEntry) error {
	err := c.command(ctx, func(b []byte, xid uint32) []byte {
		return m.appendTo(put16(begin(b, msgMeterMod, xid), command), command)
	})
	if err != nil {
		return fmt.Errorf("%s meter %d: %w", verb, m.ID, err)
	}
	return nil
}

func (m *MeterEntry) appendTo(b []byte, command uint16) []byte {
	if command == meterDelete {
		return put32(put16(b, 0), m.ID)
	}
	flags := uint16(meterKbps | meterStats)
	if m.Packets {
		flags = meterPackets | meterStats
	}
	if m.Burst != 0 {
		flags |= meterBurst
	}
	b = put32(put16(b, flags), m.ID)
	b = zeros(put32(put32(put16(put16(b, bandDrop), 16), m.Rate), m.Burst), 4)
	return append(b, m.ExtraBands...)
}

// DumpMeters lists the meters by id.
func (c *Conn) DumpMeters(ctx context.Context) ([]MeterEntry, error) {
	var meters []MeterEntry
	err := c.multi(ctx, multiMeter, func(b []byte) []byte { return zeros(put32(b, meterAll), 4) }, func(body []byte) (err error) {
		meters, err = decodeMeters(body, meters)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dump meters: %w", err)
	}
	slices.SortFunc(meters, func(a, b MeterEntry) int { return int(int64(a.ID) - int64(b.ID)) })
	return meters, nil
}

func decodeMeters(body []byte, meters []MeterEntry) ([]MeterEntry, error) {
	be := binary.BigEndian
	for len(body) > 0 {
		if len(body) < 8 {
			return meters, fmt.Errorf("meter: %d bytes are left, needs at least 8", len(body))
		}
		length, flags := int(be.Uint16(body)), be.Uint16(body[2:])
		if length < 8 || length > len(body) {
			return meters, fmt.Errorf("meter: length %d, %d bytes are left", length, len(body))
		}
		m := MeterEntry{ID: be.Uint32(body[4:]), Packets: flags&meterPackets != 0}
		if bands := body[8:length]; len(bands) >= 16 && be.Uint16(bands) == bandDrop && be.Uint16(bands[2:]) == 16 {
			m.Rate = be.Uint32(bands[4:])
			if flags&meterBurst != 0 { // otherwise it is what Open vSwitch chose
				m.Burst = be.Uint32(bands[8:])
			}
			m.ExtraBands = string(bands[16:])
		} else {
			m.ExtraBands = string(bands)
		}
		meters = append(meters, m)
		body = body[length:]
	}
	return meters, nil
}
