package pki

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// Kubeconfig issues a client's certificate and writes a kubeconfig that holds all
// of it, so that it works wherever it is copied to. It returns the file.
func (a *Authority) Kubeconfig(name, server string, user Subject) (string, error) {
	pair, err := a.Issue(name, user)
	if err != nil {
		return "", err
	}
	var data [3][]byte
	for i, file := range []string{a.Certificate(), pair.Certificate, pair.Key} {
		if data[i], err = os.ReadFile(file); err != nil {
			return "", err
		}
	}
	type object = map[string]any
	text, err := yaml.Marshal(object{
		"apiVersion": "v1", "kind": "Config", "current-context": "test",
		"clusters": []object{{"name": "test", "cluster": object{"server": server, "certificate-authority-data": data[0]}}},
		"users":    []object{{"name": name, "user": object{"client-certificate-data": data[1], "client-key-data": data[2]}}},
		"contexts": []object{{"name": "test", "context": object{"cluster": "test", "user": name}}},
	})
	if err != nil {
		return "", fmt.Errorf("kubeconfig %s: %w", name, err)
	}
	path := filepath.Join(a.dir, name+".kubeconfig")
	return path, os.WriteFile(path, text, 0o600)
}
