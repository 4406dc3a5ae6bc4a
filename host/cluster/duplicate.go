package cluster

import (
	"fmt"

	"go.yaml.in/yaml/v2"
)

// duplicateKey is the path of the first key that a YAML document gives twice
// in one object, in the notation of Kubernetes: "spec.ingress[0].from".
func duplicateKey(text []byte) (path string, found bool) {
	var root yaml.MapSlice
	if err := yaml.Unmarshal(text, &root); err != nil {
		return "", false
	}
	return duplicateIn(root, "")
}

func duplicateIn(value any, path string) (string, bool) {
	switch value := value.(type) {
	case yaml.MapSlice:
		seen := make(map[any]bool, len(value))
		for _, item := range value {
			name := fmt.Sprint(item.Key)
			below := name
			if path != "" {
				below = path + "." + name
			}
			if seen[name] {
				return below, true
			}
			seen[name] = true
			if found, ok := duplicateIn(item.Value, below); ok {
				return found, true
			}
		}
	case []any:
		for i, item := range value {
			if found, ok := duplicateIn(item, fmt.Sprintf("%s[%d]", path, i)); ok {
				return found, true
			}
		}
	}
	return "", false
}
