package cluster

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// object is one object in force.
type object struct {
	file    string // empty for a Namespace that is only mentioned
	content [sha256.Size]byte
	event   Event // the Put that told of it
}

// state is what the manifests came to so far. It is a value of one goroutine.
type state struct {
	parsed   map[string]parsedFile // by path
	listed   map[string][]string   // the files of each path given, when it could last be read
	objects  map[key]*object
	problems []Problem
	// version numbers the changes of all objects, as the API server does.
	version int64
}

type parsedFile struct {
	digest   [sha256.Size]byte
	contents *contents
}

// keptNote ends the reason of a problem behind which an older version lives on.
const keptNote = "; what was read before stays in force"

// maxProblems is how many problems of one object are named one by one.
const maxProblems = 20

// update goes to what the roots hold now, and returns what changed.
func (s *state) update(roots []root, extra map[string]bool) []Event {
	read, problems := s.parse(roots)
	next, more := merge(s.objects, read, extra)
	problems = append(problems, more...)
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Document, b.Document))
	})
	for i := range problems {
		problems[i].tidy()
	}
	implyNamespaces(next)
	events := s.difference(next)
	s.objects, s.problems = next, problems
	return events
}

// parse reads the files that changed, in order of path.
func (s *state) parse(roots []root) ([]*contents, []Problem) {
	var read []*contents
	var problems []Problem
	parsed, listed := map[string]parsedFile{}, map[string][]string{}
	for _, root := range roots {
		for _, directory := range root.skipped {
			problems = append(problems, Problem{
				File: directory, Reason: "is a directory inside a directory of manifests and is not read: name it as a path of its own",
			})
		}
		if root.err != nil {
			// All that this path held stays in force.
			note := ""
			for _, path := range s.listed[root.given] {
				read = append(read, &contents{path: path, unclear: true})
				note = keptNote
			}
			listed[root.given] = s.listed[root.given]
			problems = append(problems, Problem{File: root.given, Reason: root.err.Error() + note})
			continue
		}
		for i := range root.files {
			file := &root.files[i]
			listed[root.given] = append(listed[root.given], file.path)
			if file.err != nil {
				read = append(read, &contents{path: file.path, unclear: true, problems: []Problem{{File: file.path, Reason: file.err.Error()}}})
				continue
			}
			known := s.parsed[file.path]
			if known.contents == nil || known.digest != file.digest {
				known = parsedFile{file.digest, parse(file.path, file.data)}
			}
			file.data = nil // the roots are kept, their text need not be
			parsed[file.path] = known
			read = append(read, known.contents)
		}
	}
	s.parsed, s.listed = parsed, listed
	slices.SortStableFunc(read, func(a, b *contents) int { return cmp.Compare(a.path, b.path) })
	return read, problems
}

// merge decides which objects are in force: the good ones as read; of what is
// refused, the version before.
func merge(before map[key]*object, read []*contents, extra map[string]bool) (map[key]*object, []Problem) {
	next := make(map[key]*object, len(before))
	var problems []Problem
	refused := func(e entry, note string) {
		for i, p := range e.problems {
			if i == maxProblems {
				p.Field, p.Reason = "", fmt.Sprintf("and %d problems more", len(e.problems)-i)
			}
			p.Reason += note
			problems = append(problems, p)
			if i == maxProblems {
				break
			}
		}
	}
	var later []entry // refused, and not in force from the same file before
	where := map[key]Problem{}
	for _, c := range read {
		for _, e := range c.entries {
			switch {
			case e.generic && !extra[e.key.resource]:
				problems = append(problems, Problem{File: c.path, Document: e.document, Object: e.title, Field: "kind", Reason: e.hint})
			case e.object == nil:
				if old := before[e.key]; old != nil && old.file == c.path && next[e.key] == nil {
					next[e.key], where[e.key] = old, Problem{File: c.path, Document: e.document}
					refused(e, keptNote)
					continue
				}
				later = append(later, e)
			case next[e.key] != nil:
				first := where[e.key]
				problems = append(problems, Problem{
					File: c.path, Document: e.document, Object: e.title, Field: "metadata.name",
					Reason: fmt.Sprintf("the same object is in %s, document %d, which is read first and wins: delete one of the two", first.File, first.Document),
				})
			default:
				next[e.key], where[e.key] = newObject(e, c.path), Problem{File: c.path, Document: e.document}
			}
		}
		note := ""
		if c.unclear {
			for k, old := range before {
				if old.file == c.path && next[k] == nil {
					next[k], where[k] = old, Problem{File: c.path}
					note = keptNote
				}
			}
		}
		for _, p := range c.problems {
			p.Reason += note
			problems = append(problems, p)
		}
	}
	for _, e := range later {
		// The refused object may have been moved here from another file.
		if old := before[e.key]; old != nil && old.file != "" && next[e.key] == nil {
			next[e.key] = old
			refused(e, keptNote)
			continue
		}
		refused(e, "")
	}
	return next, problems
}

// newObject makes an object of what was read, not yet numbered.
func newObject(e entry, path string) *object {
	return &object{file: path, content: e.content, event: Event{Object: e.object}}
}

// accept takes a good object into the entry. Its numbers are not for its author
// to give.
func (e *entry) accept(object metav1.Object) {
	if object.GetUID() == "" {
		object.SetUID(syntheticUID(e.key))
	}
	object.SetResourceVersion("")
	object.SetGeneration(0)
	e.object, e.content = object, sha256.Sum256(encode(object))
}

func implyNamespaces(objects map[key]*object) {
	mentioned := map[string]bool{}
	for k := range objects {
		if k.namespace != "" {
			mentioned[k.namespace] = true
		}
	}
	for name := range mentioned {
		k := key{Namespaces, "", name}
		if objects[k] == nil {
			e := entry{key: k}
			e.accept(impliedNamespace(name))
			objects[k] = newObject(e, "")
		}
	}
}

// difference numbers what is new in next and returns the events that lead from
// the objects in force to it.
func (s *state) difference(next map[key]*object) []Event {
	var deletes, puts []Event
	for _, k := range sortedKeys(s.objects) {
		if next[k] == nil {
			deletes = append(deletes, Event{Op: Delete, Resource: k.resource, Namespace: k.namespace, Name: k.name, UID: s.objects[k].event.UID})
		}
	}
	slices.Reverse(deletes)
	for _, k := range sortedKeys(next) {
		old := s.objects[k]
		if old != nil && old.content == next[k].content {
			moved := *old
			moved.file = next[k].file
			next[k] = &moved
			continue
		}
		s.version++
		next[k].event = put(k, next[k].event.Object.(metav1.Object), s.version)
		puts = append(puts, next[k].event)
	}
	return append(deletes, puts...)
}

// put numbers a copy of an object, since the parsed one may be read again, and
// makes its event.
func put(k key, read metav1.Object, version int64) Event {
	numbered := read.(runtime.Object).DeepCopyObject().(metav1.Object)
	numbered.SetGeneration(version)
	numbered.SetResourceVersion(strconv.FormatInt(version, 10))
	event := Event{
		Op: Put, Resource: k.resource, Namespace: k.namespace, Name: k.name, UID: string(numbered.GetUID()),
		Generation: version, JSON: encode(numbered),
	}
	switch numbered := numbered.(type) {
	case *corev1.Pod, *corev1.Namespace, *corev1.Node, *corev1.Service, *discoveryv1.EndpointSlice:
		event.Object = numbered
	}
	return event
}

// sortedKeys is in the order in which objects are put: what others refer to
// comes first.
func sortedKeys(objects map[key]*object) []key {
	return slices.SortedFunc(maps.Keys(objects), func(a, b key) int {
		return cmp.Or(
			cmp.Compare(rankOf(a.resource), rankOf(b.resource)), cmp.Compare(a.resource, b.resource),
			cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name),
		)
	})
}

// rankOf is lower for what others refer to.
func rankOf(resource string) int {
	switch resource {
	case Namespaces:
		return 0
	case Nodes:
		return 1
	case Pods:
		return 2
	default:
		return 3
	}
}

// syntheticUID is the UID of an object that names none: the same whenever the
// same object is read.
func syntheticUID(k key) types.UID {
	sum := sha256.Sum256([]byte(k.resource + "\x00" + k.namespace + "\x00" + k.name))
	sum[6] = sum[6]&0x0f | 0x80 // RFC 9562, version 8: made by a rule of one's own
	sum[8] = sum[8]&0x3f | 0x80
	return types.UID(fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16]))
}

// encode is the object as compact JSON. What was decoded from JSON can be
// encoded again, so an error here is a fault of this package.
func encode(object any) []byte {
	out, err := json.Marshal(object)
	if err != nil {
		panic(fmt.Sprintf("cluster: encode an object that was decoded from JSON: %v", err))
	}
	return out
}
