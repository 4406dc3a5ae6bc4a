package kube

import (
	"strings"

	"github.com/sluice-net/sluice/sdk/go/jsonscan"
)

// maxLabel is the length of a label's value and of the name part of its key
// (Kubernetes, "Labels and Selectors: Syntax and character set").
const maxLabel = 63

// checkLabelKey accepts what Kubernetes accepts as a label key: a name, with a
// DNS subdomain and a slash before it or not.
func checkLabelKey(d *jsonscan.Decoder, key string) error {
	name := key
	if prefix, rest, ok := strings.Cut(key, "/"); ok {
		if name = rest; !isSubdomain(prefix) {
			return d.Fail(quote(key) + " is no label key: what stands before the slash must be a DNS subdomain")
		}
	}
	if name == "" || len(name) > maxLabel || !isLabelWord(name) {
		return d.Fail(quote(key) + " is no label key: " + labelRule)
	}
	return nil
}

const labelRule = "at most 63 of A-Z a-z 0-9 - _ . are allowed, with a letter or digit at both ends"

// labelValue reads what Kubernetes accepts as a label value, which may be empty.
func labelValue(d *jsonscan.Decoder) (string, error) {
	value, err := d.String()
	if err == nil && value != "" && (len(value) > maxLabel || !isLabelWord(value)) {
		err = d.Fail(quote(value) + " is no label value: " + labelRule)
	}
	return value, err
}

// CheckNamespace refuses what is no name of a namespace, a DNS label (RFC 1123):
// names of sets rely on it to tell the name of a namespace from a selector.
func CheckNamespace(name string) error {
	switch {
	case name == "":
		return &FieldError{Path: "metadata.namespace", Reason: "is required"}
	case len(name) > maxLabel || strings.Contains(name, ".") || !isSubdomain(name):
		return &FieldError{
			Path:   "metadata.namespace",
			Reason: quote(name) + " is no name of a namespace: at most 63 of a-z 0-9 - are allowed, no hyphen at an end",
		}
	}
	return nil
}

func isLabelWord(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isAlnum(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return isAlnum(s[0]) && isAlnum(s[len(s)-1])
}

// isSubdomain tells whether s is a DNS subdomain (RFC 1123) in lower case.
func isSubdomain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || part[0] == '-' || part[len(part)-1] == '-' {
			return false
		}
		for i := 0; i < len(part); i++ {
			if c := part[i]; !isLower(c) && c != '-' {
				return false
			}
		}
	}
	return true
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

func isAlnum(c byte) bool { return isLower(c) || 'A' <= c && c <= 'Z' }
