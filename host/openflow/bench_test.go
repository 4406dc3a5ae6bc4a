package openflow

import (
	"testing"
)

// benchFlow is like most flows of a policy pipeline.
func benchFlow(i int) Flow {
	return Flow{
		Table: 10, Priority: 200, Cookie: uint64(i),
		Match:   MatchOf(EthType.Is(0x800), IPProto.Is(6), Reg(1).Is(uint64(i)), Reg(0).Masked(3, 0xff), TCPDst.Is(443)),
		Actions: Do(Conjunction(uint32(i), 1, 2)),
		Goto:    20,
	}
}

func BenchmarkMatchOf(b *testing.B) {
	b.ReportAllocs()
	addr := ip("10.1.2.3")
	for i := range b.N {
		if (MatchOf(EthType.Is(0x800), IPv4Src.Addr(addr), IPProto.Is(6), Reg(1).Is(uint64(i&0xffff)), TCPDst.Is(443)) == Match{}) {
			b.Fatal("empty match")
		}
	}
}

func BenchmarkDo(b *testing.B) {
	b.ReportAllocs()
	for i := range b.N {
		if Do(SetField(Reg(1).Is(uint64(i&0xffff))), DecTTL(), Output(3)).IsDrop() {
			b.Fatal("no actions")
		}
	}
}

func BenchmarkEncodeFlowMod(b *testing.B) {
	b.ReportAllocs()
	mod := AddFlow(benchFlow(1))
	var buf []byte
	for b.Loop() {
		buf = mod.appendTo(buf[:0], 1)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecodeFlow(b *testing.B) {
	b.ReportAllocs()
	var body []byte
	for _, raw := range recorded(b) {
		if raw[1] == msgMultiReply && raw[9] == multiFlow {
			body = raw[16:]
		}
	}
	b.SetBytes(int64(len(body)))
	flows := 0
	b.ResetTimer()
	for b.Loop() {
		if err := decodeFlows(body, func(FlowStats) { flows++ }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(flows), "ns/flow")
}
