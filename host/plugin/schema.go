package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/sluice-net/sluice/abi"
)

// maxSchemaRefs bounds the references of a schema: with n of them, checking
// takes up to 3^(n/3) times as long as without.
const maxSchemaRefs = 24

// maxFaults is how many faults of a configuration are listed.
const maxFaults = 5

// CheckConfig checks a module's configuration against the schema of its
// manifest. No configuration is checked as {}. The error names each field with
// what is wrong, or says what is wrong with the schema.
func CheckConfig(m *abi.Manifest, config json.RawMessage) error {
	if m.ConfigJSON == nil {
		return nil
	}
	schema, err := compileSchema(m.ConfigJSON)
	if err != nil {
		return fmt.Errorf("manifest: configSchema: %w", err)
	}
	if len(bytes.TrimSpace(config)) == 0 {
		config = json.RawMessage("{}")
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(config))
	if err != nil {
		return fmt.Errorf("the configuration is not JSON: %w", err)
	}
	err = schema.Validate(value)
	if invalid, is := errors.AsType[*jsonschema.ValidationError](err); is {
		faults := faultsOf(invalid, message.NewPrinter(language.English), nil)
		if more := len(faults) - maxFaults; more > 0 {
			faults = append(faults[:maxFaults], fmt.Sprintf("and %d more", more))
		}
		return fmt.Errorf("the configuration is not what the module's schema allows: %s", strings.Join(faults, "; "))
	}
	return err
}

// compileSchema takes a schema from a stranger: it loads nothing from anywhere.
func compileSchema(schema any) (*jsonschema.Schema, error) {
	if n := countRefs(schema); n > maxSchemaRefs {
		return nil, fmt.Errorf("has %d references ($ref and the like); at most %d are allowed", n, maxSchemaRefs)
	}
	const place = "configSchema"
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	if err := c.AddResource(place, schema); err != nil {
		return nil, err
	}
	return c.Compile(place)
}

type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("refers to %s: a schema may refer to itself only", url)
}

func countRefs(schema any) (n int) {
	switch s := schema.(type) {
	case map[string]any:
		for key, value := range s {
			if key == "$ref" || key == "$dynamicRef" || key == "$recursiveRef" {
				n++
			}
			n += countRefs(value)
		}
	case []any:
		for _, value := range s {
			n += countRefs(value)
		}
	}
	return n
}

// faultsOf lists the innermost reasons: "ports[0]: got string, want number".
func faultsOf(e *jsonschema.ValidationError, p *message.Printer, list []string) []string {
	if len(e.Causes) == 0 {
		return append(list, fmt.Sprintf("%s: %s", fieldOf(e.InstanceLocation), e.ErrorKind.LocalizedString(p)))
	}
	for _, cause := range e.Causes {
		list = faultsOf(cause, p, list)
	}
	return list
}

func fieldOf(path []string) string {
	if len(path) == 0 {
		return "the whole"
	}
	return strings.Join(path, ".")
}
