package main

import (
	"iter"
	"strings"
)

const wildcard = "*."

// matches tells whether a pattern stands for a name: it is the name, or "*." and
// an end of it that leaves a label or more.
func matches(pattern, name string) bool {
	end, wild := strings.CutPrefix(pattern, wildcard)
	if !wild {
		return pattern == name
	}
	return len(name) > len(end)+1 && strings.HasSuffix(name, end) && name[len(name)-len(end)-1] == '.'
}

// patternsOf yields every pattern that stands for a name: as many as it has
// labels.
func patternsOf(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(name) {
			return
		}
		for {
			_, end, more := strings.Cut(name, ".")
			if !more {
				return
			}
			if !yield(wildcard + end) {
				return
			}
			name = end
		}
	}
}

// checkPattern says what is wrong with a pattern, or nothing.
func checkPattern(p string) string {
	name := strings.TrimPrefix(p, wildcard)
	if name == "" || len(p) > 240 {
		return "is empty or longer than 240 bytes"
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return "has an empty label, or one of more than 63 bytes"
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return `is no name in lower case; "*." may stand at its beginning and nowhere else`
		}
	}
	return ""
}

// setName is the name of a pattern's set, and the owner of its declaration.
func setName(pattern string) string { return "name/" + pattern }
