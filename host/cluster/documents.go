package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// document is one YAML or JSON document of a file, as JSON.
type document struct {
	number int    // from 1
	json   []byte // nil if err is set
	field  string // what err is about, if it is about a field
	err    error
}

// utf8BOM is what some Windows editors put in front of a file.
const utf8BOM = "\ufeff"

// documents takes a file apart. A file that begins with a brace is tried as a
// stream of JSON objects first; everything else is YAML.
func documents(data []byte, mustBeJSON bool) []document {
	data = bytes.TrimPrefix(data, []byte(utf8BOM))
	start := bytes.TrimLeft(data, " \t\r\n")
	if mustBeJSON || (len(start) > 0 && start[0] == '{') {
		docs, err := jsonDocuments(data)
		if err == nil {
			return docs
		}
		if mustBeJSON {
			return append(docs, document{number: len(docs) + 1, err: err})
		}
	}
	return yamlDocuments(data)
}

// jsonDocuments reads JSON values that follow one another. On error it returns
// those before it.
func jsonDocuments(data []byte) ([]document, error) {
	var docs []document
	decoder := json.NewDecoder(bytes.NewReader(data))
	for {
		var raw json.RawMessage
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			offset := decoder.InputOffset()
			var syntax *json.SyntaxError
			if errors.As(err, &syntax) {
				offset = syntax.Offset
			}
			line := 1 + bytes.Count(data[:min(int(offset), len(data))], []byte("\n"))
			return docs, fmt.Errorf("line %d: not JSON: %w", line, err)
		}
		docs = append(docs, document{number: len(docs) + 1, json: raw})
	}
}

// yamlDocuments splits at lines that begin with "---" and converts each
// document. A document that does not parse is returned with its error, and
// does not spoil the others.
func yamlDocuments(data []byte) []document {
	var docs []document
	for _, chunk := range yamlChunks(data) {
		if !chunk.hasContent() {
			continue
		}
		doc := document{number: len(docs) + 1}
		doc.json, doc.field, doc.err = yamlToJSON(chunk)
		docs = append(docs, doc)
	}
	return docs
}

// chunk is the text of one YAML document, with its separator line if any.
type chunk struct {
	text      []byte
	firstLine int // line of the file that text begins in, from 1
}

func yamlChunks(data []byte) []chunk {
	var chunks []chunk
	start, startLine := 0, 1
	line := 1
	for at := 0; at < len(data); line++ {
		next := len(data)
		if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
			next = at + i + 1
		}
		if at > start && isSeparator(data[at:next]) {
			chunks = append(chunks, chunk{data[start:at], startLine})
			start, startLine = at, line
		}
		at = next
	}
	return append(chunks, chunk{data[start:], startLine})
}

func isSeparator(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || bytes.ContainsAny(rest[:1], " \t\r\n"))
}

// hasContent is false for white space, comments, directives and markers alone.
func (c chunk) hasContent() bool {
	for line := range bytes.Lines(c.text) {
		if isSeparator(line) {
			line = line[len("---"):]
		}
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && line[0] != '%' && string(line) != "..." {
			return true
		}
	}
	return false
}

// yamlToJSON converts one document; field names what the error is about.
func yamlToJSON(c chunk) (out []byte, field string, err error) {
	if out, err = yaml.YAMLToJSONStrict(c.text); err == nil {
		return out, "", nil
	}
	if out, err = yaml.YAMLToJSON(c.text); err != nil {
		message := fileLines(err.Error(), c.firstLine)
		return nil, "", errors.New(strings.Join(strings.Fields(message), " "))
	}
	// So it was about a key that is given twice, of which the library knows the
	// line only; and it takes a key that overrides a merged one (<<) for such.
	if path, found := duplicateKey(c.text); found {
		return nil, path, errDuplicate
	}
	return out, "", nil
}

var errDuplicate = errors.New("given twice in the same object: keep one of the two")

// lineNumber finds where the YAML library names a line of the document.
var lineNumber = regexp.MustCompile(`\bline (\d+)`)

// fileLines turns the line numbers of a document into those of its file.
func fileLines(message string, firstLine int) string {
	return lineNumber.ReplaceAllStringFunc(message, func(match string) string {
		n, err := strconv.Atoi(match[len("line "):])
		if err != nil {
			return match
		}
		return "line " + strconv.Itoa(n+firstLine-1)
	})
}
