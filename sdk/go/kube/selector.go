package kube

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/sdk/go/jsonscan"
)

// Selector reads a metav1.LabelSelector in canonical form: matchLabels written
// as In, requirements and values sorted, each once. Two selectors that differ
// only in spelling read the same. {} selects everything; an object that holds
// only names which are not a LabelSelector's is refused.
func Selector(d *jsonscan.Decoder) (abi.Selector, error) {
	var labels, expressions []abi.Requirement
	seen, err := Object(d, func(field []byte) (err error) {
		switch string(field) {
		case "matchLabels":
			labels, err = matchLabels(d)
		case "matchExpressions":
			expressions, err = matchExpressions(d)
		default:
			err = ErrUnknown
		}
		return err
	})
	if err == nil {
		err = seen.NotOnlyUnknown(d, "selects everything")
	}
	return abi.Selector{Requirements: canonical(append(labels, expressions...))}, err
}

// matchLabels reads a map of labels. A null value is an empty one, as in the API
// server, and not one to pass over: the selector would select more without it.
func matchLabels(d *jsonscan.Decoder) ([]abi.Requirement, error) {
	var labels []abi.Requirement
	err := d.Object(func(key []byte) error {
		label := abi.Requirement{Key: string(key), Operator: abi.In}
		if err := checkLabelKey(d, label.Key); err != nil {
			return err
		}
		if len(labels) == MaxElements {
			return tooMany(d)
		}
		value, err := labelValue(d)
		label.Values = []string{value}
		labels = append(labels, label)
		return err
	})
	return labels, err
}

func matchExpressions(d *jsonscan.Decoder) ([]abi.Requirement, error) {
	var all []abi.Requirement
	err := List(d, func() error {
		r, err := expression(d)
		all = append(all, r)
		return err
	})
	return all, err
}

// expression reads a metav1.LabelSelectorRequirement: "If the operator is In or
// NotIn, the values array must be non-empty. If the operator is Exists or
// DoesNotExist, the values array must be empty."
func expression(d *jsonscan.Decoder) (abi.Requirement, error) {
	var r abi.Requirement
	var operator string
	_, err := Object(d, func(field []byte) (err error) {
		switch string(field) {
		case "key":
			if r.Key, err = d.String(); err == nil {
				err = checkLabelKey(d, r.Key)
			}
		case "operator":
			operator, err = d.String()
		case "values":
			r.Values, err = labelValues(d)
		default:
			err = ErrUnknown
		}
		return err
	})
	if err != nil {
		return r, err
	}
	if r.Key == "" {
		return r, Wrong(d, "key", "is required")
	}
	wantValues := false
	switch operator {
	case "In":
		r.Operator, wantValues = abi.In, true
	case "NotIn":
		r.Operator, wantValues = abi.NotIn, true
	case "Exists":
		r.Operator = abi.Exists
	case "DoesNotExist":
		r.Operator = abi.DoesNotExist
	default:
		return r, Wrong(d, "operator", quote(operator)+" is none of In, NotIn, Exists, DoesNotExist")
	}
	if wantValues != (len(r.Values) > 0) {
		return r, Wrong(d, "values", "must be given for In and NotIn, and only for them")
	}
	return r, nil
}

func labelValues(d *jsonscan.Decoder) ([]string, error) {
	var values []string
	err := List(d, func() error {
		value, err := labelValue(d)
		values = append(values, value)
		return err
	})
	slices.Sort(values)
	return slices.Compact(values), err
}

// canonical sorts requirements, which are a conjunction: neither order nor
// repetition means anything.
func canonical(all []abi.Requirement) []abi.Requirement {
	compare := func(a, b abi.Requirement) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Operator, b.Operator), slices.Compare(a.Values, b.Values))
	}
	slices.SortFunc(all, compare)
	return slices.CompactFunc(all, func(a, b abi.Requirement) bool { return compare(a, b) == 0 })
}

// SelectorText writes a canonical selector the way kubectl prints one:
// "app=web,tier in (a,b),!legacy". The characters it puts between keys and
// values cannot be in either, so different selectors have different texts.
func SelectorText(sel abi.Selector) string {
	var b strings.Builder
	for i, r := range sel.Requirements {
		if i > 0 {
			b.WriteByte(',')
		}
		if r.Operator == abi.DoesNotExist {
			b.WriteByte('!')
		}
		b.WriteString(r.Key)
		switch {
		case r.Operator == abi.In && len(r.Values) == 1:
			b.WriteByte('=')
			b.WriteString(r.Values[0])
			continue
		case r.Operator == abi.In:
			b.WriteString(" in ")
		case r.Operator == abi.NotIn:
			b.WriteString(" notin ")
		default:
			continue
		}
		b.WriteByte('(')
		for j, value := range r.Values {
			if j > 0 {
				b.WriteByte(',')
			}
			b.WriteString(value)
		}
		b.WriteByte(')')
	}
	return b.String()
}
