package binary

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/sluice-net/sluice/abi"
)

// MaxManifest is the largest manifest, in bytes.
const MaxManifest = 64 << 10

// Bounds of what a manifest may say. They only keep numbers out that mean
// nothing: what is granted is for the operator.
const (
	maxMemoryMiB = 4096
	maxMillis    = 10 * 60 * 1000
	maxCount     = 100_000_000
	maxTick      = 24 * 60 * 60
	maxWords     = 256
)

var (
	moduleName  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	versionText = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+_-]{0,127}$`)
	resource    = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

	tierWords   = []string{"admin", "network", "baseline"}
	actionWords = []string{"allow", "deny", "reject", "pass"}
)

// FieldError says which field of a manifest is wrong, and why.
type FieldError struct {
	Field  string // "limits.rules", "resources[1]"
	Reason string
}

func (e *FieldError) Error() string { return "manifest: " + e.Field + ": " + e.Reason }

// ParseManifest reads and validates the JSON of a manifest. Fields that
// abi.Manifest does not have are refused: a wish that is not understood is not
// granted silently.
func ParseManifest(b []byte) (*abi.Manifest, error) {
	if len(b) > MaxManifest {
		return nil, fmt.Errorf("manifest: has %d bytes, at most %d are allowed", len(b), MaxManifest)
	}
	if !utf8.Valid(b) {
		return nil, errors.New("manifest: is not valid UTF-8")
	}
	m := &abi.Manifest{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		var t *json.UnmarshalTypeError
		if errors.As(err, &t) && t.Field != "" {
			return nil, &FieldError{Field: t.Field, Reason: "is a JSON " + t.Value + ", must be of type " + t.Type.String()}
		}
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("manifest: text goes on after the JSON object")
	}
	if err := ValidateManifest(m); err != nil {
		return nil, err
	}
	return m, nil
}

// ValidateManifest checks every field. The error is a *FieldError and names the
// first that is wrong.
func ValidateManifest(m *abi.Manifest) error {
	switch {
	case !moduleName.MatchString(m.Name):
		return wrong("name", "%q must be 1 to 63 lower-case letters, digits and inner dashes", m.Name)
	case !versionText.MatchString(m.Version):
		return wrong("version", "%q must be 1 to 128 letters, digits and . + - _, such as 1.4.0", m.Version)
	case m.ABI != abi.Version:
		return wrong("abi", "is %d, this host speaks %d", m.ABI, abi.Version)
	}
	if err := words("resources", m.Resources, func(w string) string {
		if len(w) > abi.MaxName || !resource.MatchString(w) {
			return `must be a lower-case plural, with "." and the API group unless that is the core one, such as "pods" or "networkpolicies.networking.k8s.io"`
		}
		return ""
	}); err != nil {
		return err
	}
	if err := words("tiers", m.Tiers, oneOf(tierWords)); err != nil {
		return err
	}
	if err := words("actions", m.Actions, oneOf(actionWords)); err != nil {
		return err
	}
	if len(m.Tiers) == 0 && len(m.Actions) != 0 {
		return wrong("tiers", "is empty, but actions are asked for: name the tiers to act in")
	}
	if m.TickSeconds < 0 || m.TickSeconds > maxTick {
		return wrong("tickSeconds", "is %d, must be between 0 (never) and %d", m.TickSeconds, maxTick)
	}
	if m.ConfigJSON != nil {
		switch m.ConfigJSON.(type) {
		case map[string]any, bool:
		default:
			return wrong("configSchema", "must be a JSON schema: an object, or true or false")
		}
	}
	return validateLimits(m.Limits)
}

func validateLimits(l *abi.Limits) error {
	if l == nil {
		return nil
	}
	for _, f := range []struct {
		name       string
		value, max int
	}{
		{"memoryMiB", l.MemoryMiB, maxMemoryMiB},
		{"batchMillis", l.BatchMillis, maxMillis},
		{"snapshotMillis", l.SnapshotMillis, maxMillis},
		{"rules", l.Rules, maxCount},
		{"sets", l.Sets, maxCount},
		{"addresses", l.Addresses, maxCount},
	} {
		if f.value < 0 || f.value > f.max {
			return wrong("limits."+f.name, "is %d, must be between 0 (the default) and %d", f.value, f.max)
		}
	}
	return nil
}

// words checks a list whose elements must be good and different.
func words(field string, list []string, fault func(string) string) error {
	if len(list) > maxWords {
		return wrong(field, "has %d elements, at most %d are allowed", len(list), maxWords)
	}
	for i, w := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		if reason := fault(w); reason != "" {
			return wrong(at, "%q %s", w, reason)
		}
		if slices.Contains(list[:i], w) {
			return wrong(at, "%q is there twice", w)
		}
	}
	return nil
}

func oneOf(known []string) func(string) string {
	return func(w string) string {
		if slices.Contains(known, w) {
			return ""
		}
		return fmt.Sprintf("is not one of %q", known)
	}
}

func wrong(field, format string, args ...any) error {
	return &FieldError{Field: field, Reason: fmt.Sprintf(format, args...)}
}
