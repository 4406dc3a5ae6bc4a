package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// pathAt is the path of the value that the decoder stood at when it had read
// offset bytes of a JSON object: with the indices of lists, which the
// decoder's own errors leave out.
func pathAt(raw []byte, offset int64) string {
	type level struct {
		list  bool
		index int
		name  string
	}
	var levels []level
	path := func() string {
		var b strings.Builder
		for _, l := range levels {
			switch {
			case l.list:
				fmt.Fprintf(&b, "[%d]", l.index)
			case l.name != "":
				if b.Len() > 0 {
					b.WriteByte('.')
				}
				b.WriteString(l.name)
			}
		}
		return b.String()
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	isName := false // the next token of the object we are in is a name
	for {
		token, err := decoder.Token()
		if err != nil {
			return path()
		}
		top := len(levels) - 1
		if isName {
			if name, ok := token.(string); ok {
				levels[top].name = name
				isName = false
				continue
			}
		}
		if decoder.InputOffset() >= offset && token != json.Delim('}') && token != json.Delim(']') {
			return path()
		}
		switch token {
		case json.Delim('{'):
			levels, isName = append(levels, level{}), true
			continue
		case json.Delim('['):
			levels, isName = append(levels, level{list: true}), false
			continue
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:top]
			top--
		}
		if top < 0 {
			return ""
		}
		// A value has ended: on to the next of the list or object around it.
		if levels[top].list {
			levels[top].index++
		} else {
			isName = true
		}
	}
}

// isBelow is whether exact is the path that the decoder knows as field, which
// has neither the indices of lists nor the keys of maps.
func isBelow(exact, field string) bool {
	names := fieldNames(field)
	return field != "" && slices.Equal(names, fieldNames(exact)[:min(len(names), len(fieldNames(exact)))])
}

// fieldNames are the names of a path without its indices.
func fieldNames(path string) []string {
	var names []string
	for _, name := range strings.Split(path, ".") {
		name, _, _ = strings.Cut(name, "[")
		names = append(names, name)
	}
	return names
}
