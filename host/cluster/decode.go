package cluster

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kjson "sigs.k8s.io/json"
)

// key is the identity of an object.
type key struct{ resource, namespace, name string }

// entry is what one document, or one item of a list, came to.
type entry struct {
	document int
	key      key    // without name: nobody knows what this should have been
	title    string // "NetworkPolicy shop/web"
	generic  bool   // of a kind that only a module may know
	// hint says, for a generic entry, what it is, should nobody watch it.
	hint     string
	object   metav1.Object // nil if refused
	content  [sha256.Size]byte
	problems []Problem // not empty if refused
}

// contents is what a file came to.
type contents struct {
	path    string
	entries []entry
	// unclear means that some of the file could not be read at all, so that
	// what is missing in entries may have been meant to be there.
	unclear  bool
	problems []Problem
}

// maxListDepth bounds lists in lists.
const maxListDepth = 4

// parse reads a whole file. It never fails: what it can not use is a problem.
func parse(path string, data []byte) *contents {
	c := &contents{path: path}
	if len(strings.TrimSpace(string(data))) == 0 {
		// An editor or a full disk leaves such files behind.
		c.refuse(0, "", "the file is empty: delete it, or write a comment into it, if it is meant to hold nothing")
		return c
	}
	for _, doc := range documents(data, filepath.Ext(path) == ".json") {
		if doc.err != nil {
			c.refuse(doc.number, doc.field, doc.err.Error())
			continue
		}
		c.add(place{document: doc.number}, doc.json)
	}
	return c
}

// refuse notes that something of unknown identity can not be read.
func (c *contents) refuse(document int, field, reason string) {
	c.unclear = true
	c.problems = append(c.problems, Problem{File: c.path, Document: document, Field: field, Reason: reason})
}

// place is where in a file an object stands.
type place struct {
	document int
	field    string // prefix of every field path: "items[2]"
	kind     string // what an object is that does not say so itself
	depth    int
}

func (p place) path(field string) string {
	switch {
	case p.field == "":
		return field
	case field == "" || strings.HasPrefix(field, "["):
		return p.field + field
	default:
		return p.field + "." + field
	}
}

// header is as much of an object as tells what it is.
type header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name         string `json:"name"`
		Namespace    string `json:"namespace"`
		GenerateName string `json:"generateName"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`
}

// add reads one JSON object, which may be a list of objects.
func (c *contents) add(at place, raw []byte) {
	var head header
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, &head); err != nil {
		field, reason := explain(raw, err)
		c.refuse(at.document, at.path(field), reason)
		return
	}
	if head.Kind == "" && head.APIVersion == "" && at.kind != "" {
		known, _ := knownKind(at.kind)
		head.Kind, head.APIVersion = at.kind, known.apiVersion
	}
	switch {
	case head.Kind == "":
		c.refuse(at.document, at.path("kind"), "is missing: say what this is, for instance kind: NetworkPolicy")
		return
	case head.APIVersion == "":
		c.refuse(at.document, at.path("apiVersion"), "is missing: say which API this is of, for instance apiVersion: networking.k8s.io/v1")
		return
	}
	if item, isList := listOf(head.APIVersion, head.Kind); isList {
		if at.depth == maxListDepth {
			c.refuse(at.document, at.path(""), fmt.Sprintf("is a list in a list, %d deep: write the objects as documents of their own", maxListDepth))
			return
		}
		for i, raw := range head.Items {
			c.add(place{at.document, at.path(fmt.Sprintf("items[%d]", i)), item, at.depth + 1}, raw)
		}
		return
	}
	if known, ok := knownKind(head.Kind); ok {
		c.entries = append(c.entries, c.known(at, raw, head, known))
		c.unclear = c.unclear || head.Metadata.Name == ""
		return
	}
	c.generic(at, raw, head)
}

// known decodes an object of a kind that Sluice reads itself.
func (c *contents) known(at place, raw []byte, head header, known kind) entry {
	e := entry{document: at.document, key: key{known.resource, head.Metadata.Namespace, head.Metadata.Name}}
	if known.namespaced && e.key.namespace == "" {
		e.key.namespace = metav1.NamespaceDefault
	}
	if !known.namespaced {
		e.key.namespace = "" // the validation names it
	}
	e.title = title(head.Kind, e.key)
	problem := func(field, reason string) {
		e.problems = append(e.problems, Problem{File: c.path, Document: at.document, Object: e.title, Field: at.path(field), Reason: reason})
	}
	if head.APIVersion != known.apiVersion {
		problem("apiVersion", fmt.Sprintf("%q is not served: write %s", head.APIVersion, known.apiVersion))
		return e
	}
	if head.Metadata.Name == "" && head.Metadata.GenerateName != "" {
		problem("metadata.name", "is missing: a manifest that is read again and again needs a name, generateName gives none")
		return e
	}
	object := known.empty()
	strict, err := kjson.UnmarshalStrict(raw, object)
	if err != nil {
		problem(explain(raw, err))
		return e
	}
	for _, err := range strict {
		problem(explainStrict(err))
	}
	complete(object)
	for _, err := range validate(object) {
		problem(err.Field, err.ErrorBody())
	}
	if len(e.problems) == 0 {
		e.accept(object)
	}
	return e
}

// generic takes an object of a kind that a module may know.
func (c *contents) generic(at place, raw []byte, head header) {
	resource, err := guessResource(head.APIVersion, head.Kind)
	if err != nil {
		c.refuse(at.document, at.path("apiVersion"), err.Error())
		return
	}
	e := entry{document: at.document, generic: true, key: key{resource, head.Metadata.Namespace, head.Metadata.Name}}
	e.title = title(head.Kind, e.key)
	e.hint = fmt.Sprintf("unknown kind (apiVersion %s): Sluice itself reads Pod, Namespace, Node, Service, EndpointSlice and NetworkPolicy, and no module watches %s: remove the document, or load the module that it is for",
		head.APIVersion, resource)
	defer func() { c.entries = append(c.entries, e) }()
	problem := func(field, reason string) {
		e.problems = append(e.problems, Problem{File: c.path, Document: at.document, Object: e.title, Field: at.path(field), Reason: reason})
	}
	if e.key.name == "" {
		problem("metadata.name", "is missing: give the object a name")
		return
	}
	var fields map[string]any
	strict, err := kjson.UnmarshalStrict(raw, &fields)
	if err != nil {
		problem(explain(raw, err))
		return
	}
	for _, err := range strict {
		problem(explainStrict(err))
	}
	if len(e.problems) > 0 {
		return
	}
	// The kind and the version stand in the object unless its list said them.
	fields["apiVersion"], fields["kind"] = head.APIVersion, head.Kind
	e.accept(&unstructured.Unstructured{Object: fields})
}

func title(kindName string, k key) string {
	switch {
	case k.name == "":
		return kindName
	case k.namespace == "":
		return kindName + " " + k.name
	default:
		return kindName + " " + k.namespace + "/" + k.name
	}
}

// explainStrict says what strict decoding refused.
func explainStrict(err error) (field, reason string) {
	var at kjson.FieldError
	if !errors.As(err, &at) {
		return "", err.Error()
	}
	if strings.HasPrefix(at.Error(), "duplicate field") {
		return at.FieldPath(), errDuplicate.Error()
	}
	return at.FieldPath(), "unknown field: correct its name or remove it"
}

// explain says what a value of the wrong type should have been, in words of
// YAML and not of Go.
func explain(raw []byte, err error) (field, reason string) {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return "", strings.TrimPrefix(err.Error(), "json: ")
	}
	field = wrong.Field
	if exact := pathAt(raw, wrong.Offset); isBelow(exact, field) {
		field = exact
	}
	value, _, _ := strings.Cut(wrong.Value, " ")
	given := map[string]string{
		"array": "a list", "object": "an object", "string": "a string", "number": "a number", "bool": "true or false",
	}[value]
	if given == "" {
		given = wrong.Value
	}
	return field, fmt.Sprintf("is %s where %s is expected", given, expected(wrong.Type))
}

func expected(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number of " + fmt.Sprint(t.Bits()) + " bits"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, not negative, of " + fmt.Sprint(t.Bits()) + " bits"
	default:
		return "a " + t.String()
	}
}
