package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/sluice-net/sluice/host/catalog"
	"github.com/sluice-net/sluice/host/keep"
	"github.com/sluice-net/sluice/host/plugin"
	"github.com/sluice-net/sluice/host/sandbox"
)

// newCatalog is which modules run: those of the configuration, and PolicyModules.
func (a *agent) newCatalog() *catalog.Catalog {
	sources := catalog.Sources{Builtin: a.Builtin, OCI: a.fromRegistry}
	if a.kube != nil {
		sources.ConfigMap = a.fromConfigMap
	}
	return catalog.New(catalog.Options{
		Supervisor: a.supervisor, Floor: a.specs, Hold: mustCommit(a.Config.Modules), Sources: sources, Logger: a.log,
	})
}

// moduleDir keeps modules that were fetched.
func (a *agent) moduleDir() string { return filepath.Join(a.Config.StateDir, "modules") }

// configMapDir keeps those that came from ConfigMaps.
func (a *agent) configMapDir() string { return filepath.Join(a.Config.StateDir, "configmaps") }

func (a *agent) fromRegistry(reference, digest, publicKey string) plugin.Fetch {
	return ModuleSource{
		OCI: reference, Digest: digest, PublicKey: publicKey, CacheDir: a.moduleDir(), Credentials: a.Config.RegistryCredentials,
	}.fetch()
}

// fromConfigMap reads a module that a digest pins: what was read once is what would
// be read again, so it is kept for when the API server is away.
func (a *agent) fromConfigMap(name, key, digest string) plugin.Fetch {
	kept := filepath.Join(a.configMapDir(), strings.TrimPrefix(digest, "sha256:"))
	return func(ctx context.Context) ([]byte, error) {
		if wasm, err := keep.Read(kept, sandbox.MaxModuleSize); err == nil {
			return wasm, nil
		}
		namespace := a.Config.Kubernetes.Namespace
		from := fmt.Sprintf("ConfigMap %s/%s", namespace, name)
		object, err := a.kube.ConfigMap(ctx, namespace, name)
		if err != nil {
			return nil, err
		}
		wasm, there := object.BinaryData[key]
		if !there {
			return nil, fmt.Errorf("%s has no key %q in binaryData: make it with `kubectl -n %s create configmap %s --from-file=%s=FILE.wasm`", from, key, namespace, name, key)
		}
		if sum := sha256.Sum256(wasm); "sha256:"+hex.EncodeToString(sum[:]) != digest {
			return nil, fmt.Errorf("%s, key %q, has the digest sha256:%x and source.digest is %s: it is not loaded; correct the one that is wrong", from, key, sum, digest)
		}
		if err := keep.Write(kept, wasm); err != nil {
			a.log.Warn("a module can not be kept for when the API server is away", "from", from, "error", err)
		}
		return wasm, nil
	}
}
