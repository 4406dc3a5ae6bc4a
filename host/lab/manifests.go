package lab

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Objects are what manifests say, as far as a lab is built of it.
type Objects struct {
	Pods       []*corev1.Pod // in the order of namespace/name
	Namespaces []*corev1.Namespace
	Nodes      []*corev1.Node
	Services   []*corev1.Service // those that can be read
	files      []manifest
}

// manifest is one file, document by document.
type manifest struct {
	path      string
	documents []document
}

// document is one of a file: either objects of which the lab is built (several,
// if it is a List) or anything else, to be handed on as it was written.
type document struct {
	text    string
	objects []any // *corev1.Pod, *corev1.Namespace, *corev1.Node; nil for anything else
	stays   bool  // Services and EndpointSlices: in force without policies too
}

// Load reads manifests from files and directories. What is neither a Pod, a
// Namespace nor a Node is not looked at, even if it is no YAML: to complain
// about it is the agents' task. A Pod, Namespace or Node that cannot be read is
// an error that names file, document and field.
func Load(paths []string) (*Objects, error) {
	if len(paths) == 0 {
		return nil, errors.New("no manifests given")
	}
	names, err := manifestFiles(paths)
	if err != nil {
		return nil, err
	}
	objects := &Objects{}
	for _, name := range names {
		file, err := readManifest(name)
		if err != nil {
			return nil, err
		}
		objects.files = append(objects.files, file)
	}
	objects.collect()
	for i := 1; i < len(objects.Pods); i++ {
		if podKey(objects.Pods[i]) == podKey(objects.Pods[i-1]) {
			return nil, fmt.Errorf("the manifests have two Pods named %s", podKey(objects.Pods[i]))
		}
	}
	return objects, nil
}

func (o *Objects) collect() {
	for _, file := range o.files {
		for _, document := range file.documents {
			if document.stays {
				o.Services = append(o.Services, servicesIn([]byte(document.text))...)
			}
			for _, object := range document.objects {
				switch object := object.(type) {
				case *corev1.Pod:
					o.Pods = append(o.Pods, object)
				case *corev1.Namespace:
					o.Namespaces = append(o.Namespaces, object)
				case *corev1.Node:
					o.Nodes = append(o.Nodes, object)
				}
			}
		}
	}
	slices.SortFunc(o.Pods, func(a, b *corev1.Pod) int { return strings.Compare(podKey(a), podKey(b)) })
}

// manifestFiles expands directories, one level deep, in the order of names.
func manifestFiles(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("manifests: %w", err)
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		entries, err := os.ReadDir(path) // sorted by name
		if err != nil {
			return nil, fmt.Errorf("manifests: %w", err)
		}
		before := len(files)
		for _, entry := range entries {
			if !entry.IsDir() && isManifest(entry.Name()) {
				files = append(files, filepath.Join(path, entry.Name()))
			}
		}
		if len(files) == before {
			return nil, fmt.Errorf("manifests: directory %s has no *.yaml, *.yml or *.json file", path)
		}
	}
	return files, nil
}

func isManifest(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

func readManifest(path string) (manifest, error) {
	file := manifest{path: path}
	content, err := os.ReadFile(path)
	if err != nil {
		return file, fmt.Errorf("manifests: %w", err)
	}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	number := 0 // documents of comments alone do not count
	for {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return file, nil
		}
		if err != nil {
			return file, fmt.Errorf("manifests: %s: after document %d: %w", path, number, err)
		}
		if !hasContent(text) {
			continue
		}
		number++
		one := document{text: string(text)}
		if asJSON, notYAML := yaml.YAMLToJSON(text); notYAML == nil {
			one.objects, err = decodeObjects(asJSON)
			if err != nil {
				return file, fmt.Errorf("manifests: %s: document %d: %w", path, number, err)
			}
			one.stays = staysInForce(asJSON)
		}
		file.documents = append(file.documents, one)
	}
}

// hasContent tells a document from one of comments and blank lines alone.
func hasContent(document []byte) bool {
	for line := range bytes.Lines(document) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && !bytes.HasPrefix(line, []byte("---")) {
			return true
		}
	}
	return false
}

// decodeObjects decodes a document if the lab is built of such objects. A List
// that mixes them with others is an error, because it could be handed on
// neither before the policies are applied nor after.
func decodeObjects(document []byte) ([]any, error) {
	var head struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Items      []json.RawMessage `json:"items"`
	}
	if json.Unmarshal(document, &head) != nil || head.APIVersion != "v1" {
		return nil, nil
	}
	switch head.Kind {
	case "Pod":
		pod, err := decode[corev1.Pod](document, head.Kind)
		if err != nil {
			return nil, err
		}
		if pod.Namespace == "" {
			pod.Namespace = "default"
		}
		return valid(pod, validPod(pod))
	case "Namespace":
		namespace, err := decode[corev1.Namespace](document, head.Kind)
		if err != nil {
			return nil, err
		}
		return valid(namespace, validName("metadata.name", namespace.Name))
	case "Node":
		node, err := decode[corev1.Node](document, head.Kind)
		if err != nil {
			return nil, err
		}
		return valid(node, validName("metadata.name", node.Name))
	case "List":
		var all []any
		for i, item := range head.Items {
			one, err := decodeObjects(item)
			if err != nil {
				return nil, fmt.Errorf("items[%d]: %w", i, err)
			}
			all = append(all, one...)
		}
		if len(all) > 0 && len(all) < len(head.Items) {
			return nil, errors.New("this List mixes Pods, Namespaces or Nodes with other objects: write them as documents of their own")
		}
		return all, nil
	}
	return nil, nil
}

func decode[T any](document []byte, kind string) (*T, error) {
	object := new(T)
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return object, nil
}

func valid(object any, err error) ([]any, error) {
	if err != nil {
		return nil, err
	}
	return []any{object}, nil
}

func podKey(pod *corev1.Pod) string { return pod.Namespace + "/" + pod.Name }
