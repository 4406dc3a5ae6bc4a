package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/sluice-net/sluice/host/verdict"
)

// writeAnswer writes an answer for people.
func writeAnswer(out io.Writer, a verdict.Answer) error {
	var text strings.Builder
	text.WriteString(a.Verdict + "\n")
	if a.Service == nil {
		writeDirections(&text, "  ", a.Egress, a.Ingress)
	} else {
		writeService(&text, a.Service)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func writeDirections(text *strings.Builder, indent string, egress, ingress verdict.Decision) {
	fmt.Fprintf(text, "%s%-8s %-6s %s\n", indent, "egress", egress.Verdict, explain(egress))
	fmt.Fprintf(text, "%s%-8s %-6s %s\n", indent, "ingress", ingress.Verdict, explain(ingress))
}

func writeService(text *strings.Builder, s *verdict.ServiceAnswer) {
	if s.Reason != "" {
		fmt.Fprintf(text, "  %s at %s: %s\n", s.Port, s.Frontend, s.Reason)
		return
	}
	fmt.Fprintf(text, "  %s at %s leads to\n", s.Port, s.Frontend)
	for _, alike := range groups(s.Backends) {
		var names []string
		for _, b := range alike[:min(len(alike), maxShown)] {
			names = append(names, strings.TrimSpace(b.Address+" "+b.Pod))
		}
		if more := len(alike) - len(names); more > 0 {
			names = append(names, fmt.Sprintf("and %d more", more))
		}
		fmt.Fprintf(text, "  %-6s %s\n", alike[0].Verdict, strings.Join(names, ", "))
		writeDirections(text, "    ", alike[0].Egress, alike[0].Ingress)
	}
}

// maxShown is how many backends with one answer are named.
const maxShown = 10

// groups puts backends together about which policy says the same for the same
// reasons, in the order of the first of each.
func groups(backends []verdict.BackendAnswer) [][]verdict.BackendAnswer {
	at := map[string]int{}
	var out [][]verdict.BackendAnswer
	for _, b := range backends {
		key := explain(b.Egress) + "\n" + explain(b.Ingress)
		i, seen := at[key]
		if !seen {
			i = len(out)
			at[key], out = i, append(out, nil)
		}
		out[i] = append(out[i], b)
	}
	return out
}

// explain says who decided, in one line.
func explain(d verdict.Decision) string {
	if d.Tier == "" {
		return d.Reason
	}
	by := d.By
	if len(d.Isolations) > 1 {
		by = strings.Join(d.Isolations, ", ")
	}
	return fmt.Sprintf("%s: %s (tier %s, module %s)", d.Reason, by, d.Tier, d.Module)
}
