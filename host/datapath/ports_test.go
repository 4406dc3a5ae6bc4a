package datapath

import "testing"

func TestMaskedRangeCoversExactlyTheRange(t *testing.T) {
	for _, r := range [][2]uint16{{0, 0}, {1, 1}, {0, 65535}, {1, 65535}, {1, 65534}, {80, 80}, {32000, 32768}, {65535, 65535}, {1023, 1025}} {
		covered := map[int]int{}
		for _, m := range maskedRange(r[0], r[1]) {
			for port := range 65536 {
				if uint16(port)&m.mask == m.value {
					covered[port]++
				}
			}
		}
		for port := range 65536 {
			want := 0
			if port >= int(r[0]) && port <= int(r[1]) {
				want = 1
			}
			if covered[port] != want {
				t.Fatalf("range %d-%d covers port %d %d times, want %d", r[0], r[1], port, covered[port], want)
			}
		}
	}
}

func TestMaskedRangeIsShort(t *testing.T) {
	if n := len(maskedRange(1, 65534)); n != 30 {
		t.Errorf("1-65534 takes %d masks, 30 are enough", n)
	}
	if n := len(maskedRange(0, 65535)); n != 1 {
		t.Errorf("0-65535 takes %d masks, one is enough", n)
	}
}
