package openflow

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestErrorsHaveNames(t *testing.T) {
	nicira := func(code uint16) []byte { return put32(put16(put16(nil, typeExperimenter), code), niciraID) }
	for _, test := range []struct {
		body []byte
		name string
		text string
	}{
		{[]byte{0, 4, 0, 9}, "OFPBMC_BAD_PREREQ", "OFPBMC_BAD_PREREQ (type 4, code 9): a field"},
		{[]byte{0, 17, 0, 13}, "OFPBFC_MSG_FAILED", "OFPBFC_MSG_FAILED (type 17, code 13)"},
		{[]byte{0, 1, 0, 5}, "OFPBRC_EPERM", "(type 1, code 5)"},
		{nicira(15), "NXBAC_BAD_CONJUNCTION", "NXBAC_BAD_CONJUNCTION (vendor 0x2320, code 15)"},
		{nicira(4), "NXBRC_MUST_BE_ZERO", "code 4"},
		{[]byte{0, 99, 0, 1}, "", "OpenFlow error (type 99, code 1)"},
		{[]byte{0, 4, 0, 99}, "", "OpenFlow error (type 4, code 99)"},
		{nicira(9999), "", "OpenFlow error (vendor 0x2320, code 9999)"},
		{put32([]byte{255, 255, 0, 1}, 0x1234), "", "(vendor 0x1234, code 1)"},
	} {
		e, err := decodeError(7, append(test.body, 1, 2, 3))
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() != test.name || !strings.Contains(e.Error(), test.text) || e.Xid != 7 || string(e.Data) != "\x01\x02\x03" {
			t.Errorf("%s, %v, xid %d, data %x; want %s, %s", e.Name(), e, e.Xid, e.Data, test.name, test.text)
		}
	}
	wrapped := fmt.Errorf("doing: %w", &Error{Type: TypeGroupModFailed, Code: codeGroupExists, Xid: 5, Data: []byte{1}})
	if !errors.Is(wrapped, ErrGroupExists) || errors.Is(wrapped, ErrUnknownGroup) || errors.Is(wrapped, ErrClosed) {
		t.Error("errors.Is does not go by type and code")
	}
}
