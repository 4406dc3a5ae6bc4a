package lab

import (
	"fmt"
	"testing"

	"github.com/sluice-net/sluice/host/lab"
	"github.com/sluice-net/sluice/host/scenario"
)

// checkExpected compares what the lab measured with what a person wrote down.
func checkExpected(t *testing.T, file string, matrix *lab.Matrix) {
	t.Helper()
	expected, err := scenario.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	var probes, skipped []scenario.Probe
	for _, p := range matrix.Probes {
		probes = append(probes, scenario.Probe{
			From: p.From, To: p.To, Address: p.Address, Protocol: p.Protocol, Port: p.Port,
			Connected: p.Connected, Answers: p.Answers, Partly: p.Partly,
		})
	}
	for _, s := range matrix.Skipped { // ports that this machine cannot listen on
		skipped = append(skipped, scenario.Probe{To: s.To, Protocol: s.Protocol, Port: s.Port})
	}
	for _, fault := range expected.Check(probes, skipped) {
		t.Errorf("packets: %s", fault.Text)
	}
}

func show(p lab.Probe) string {
	return fmt.Sprintf("%s -> %s %s %d/%s", p.From, p.To, p.Address, p.Port, p.Protocol)
}

func verdictOf(p lab.Probe) string {
	switch {
	case p.Connected:
		return "allow"
	case p.Partly:
		return "some"
	}
	return "deny"
}
