package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// copyModules puts the module files where the agents watch them, and makes the
// list of modules that goes into their configuration.
func (l *Lab) copyModules() error {
	given := l.options.Modules
	if len(given) == 0 {
		given = []string{BuiltinModule}
	}
	for i, source := range given {
		config := moduleConfig{Name: moduleName(source), Order: 10 * (i + 1), ModuleSettings: l.options.ModuleSettings[moduleName(source)]}
		if slices.ContainsFunc(l.modules, func(m moduleConfig) bool { return m.Name == config.Name }) {
			return fmt.Errorf("two modules are named %q: name their files differently", config.Name)
		}
		if source == BuiltinModule {
			config.Source.Builtin = BuiltinModule
		} else {
			content, err := os.ReadFile(source)
			if err != nil {
				return fmt.Errorf("module: %w", err)
			}
			config.Source.File = filepath.Join(l.dir, "modules", config.Name+".wasm")
			if err := writeFile(config.Source.File, content); err != nil {
				return err
			}
		}
		l.modules = append(l.modules, config)
	}
	return nil
}

// moduleName is the name under which a module runs: that of its file, without
// the ending.
func moduleName(source string) string {
	return strings.TrimSuffix(filepath.Base(source), filepath.Ext(source))
}

// ReplaceModule puts another file in the place of a module's, which the agents
// then pick up by themselves, and gives the file's SHA-256 in hexadecimal.
// WaitModule waits until it runs.
func (l *Lab) ReplaceModule(name, file string) (digest string, err error) {
	i := slices.IndexFunc(l.modules, func(m moduleConfig) bool { return m.Name == name && m.Source.File != "" })
	if i < 0 {
		return "", fmt.Errorf("module %s: the lab has no such module that is a file (Options.Modules)", name)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("module %s: %w", name, err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), writeFile(l.modules[i].Source.File, content)
}

// WaitModule waits until every agent runs the generation of the module with
// this digest.
func (l *Lab) WaitModule(ctx context.Context, name, digest string) error {
	return l.eachAgent(func(a *Agent) error {
		return a.process.until(ctx, "module "+name, func() error {
			status, err := a.Status(ctx)
			if err != nil {
				return err
			}
			for _, module := range status.Modules {
				if module.Name != name {
					continue
				}
				if strings.TrimPrefix(module.Digest, "sha256:") == digest {
					return nil
				}
				return fmt.Errorf("its digest is %s, wanted %s; %s", module.Digest, digest, module)
			}
			return errors.New("the agent shows no such module")
		})
	})
}

func (l *Lab) eachAgent(f func(*Agent) error) error {
	return l.eachNode(func(n *node) error {
		if n.agent == nil {
			return errors.New("there is no agent (the lab was started policy-free)")
		}
		return f(n.agent)
	})
}
