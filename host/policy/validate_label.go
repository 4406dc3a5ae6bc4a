package policy

import "strings"

// maxLabel is the longest label value and the longest name part of a label key
// (Kubernetes, "Labels and Selectors", syntax and character set).
const maxLabel = 63

// badLabelKey says what is wrong with a label key: an optional DNS subdomain
// and a slash, then a name of at most 63 characters.
func badLabelKey(key string) string {
	prefix, name, prefixed := strings.Cut(key, "/")
	if !prefixed {
		name = key
	} else if prefix == "" || len(prefix) > 253 || !isSubdomain(prefix) {
		return "has no DNS subdomain before the slash"
	}
	if name == "" || len(name) > maxLabel || !isLabelWord(name) {
		return "is no label key: up to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, after an optional DNS subdomain and '/'"
	}
	return ""
}

func badLabelValue(value string) string {
	if value == "" || len(value) <= maxLabel && isLabelWord(value) {
		return ""
	}
	return "is no label value: up to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
}

func isLabelWord(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isAlphanumeric(c) && (i == 0 || i == len(s)-1 || c != '-' && c != '_' && c != '.') {
			return false
		}
	}
	return true
}

func isSubdomain(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" {
			return false
		}
		for i := range len(part) {
			c := part[i]
			if (!isAlphanumeric(c) || c >= 'A' && c <= 'Z') && (i == 0 || i == len(part)-1 || c != '-') {
				return false
			}
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
