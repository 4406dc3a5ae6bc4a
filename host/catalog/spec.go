package catalog

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/abi"
	"github.com/sluice-net/sluice/host/api/v1alpha1"
	"github.com/sluice-net/sluice/host/plugin"
)

// Sources are the ways to a module's bytes.
type Sources struct {
	// Builtin is a module that the program carries in itself.
	Builtin func(name string) ([]byte, error)
	// ConfigMap reads a key of a ConfigMap in the agents' namespace; nil: there are
	// no ConfigMaps here.
	ConfigMap func(name, key, digest string) plugin.Fetch
	// OCI reads from a registry.
	OCI func(reference, digest, publicKey string) plugin.Fetch
}

// refusal is what is wrong with a PolicyModule, in a word for programs and in a
// sentence for people.
type refusal struct{ reason, message string }

func (r *refusal) Error() string { return r.message }

// The reasons of the condition Accepted.
const (
	ReasonAccepted = "Accepted"
	// ReasonInvalid: a field has a value that cannot be followed.
	ReasonInvalid = "Invalid"
	// ReasonUnsupported: it asks for what this version of the agent does not know.
	ReasonUnsupported = "Unsupported"
	// ReasonNotLoaded: the module's bytes cannot be had, or cannot be run.
	ReasonNotLoaded = "NotLoaded"
)

// wanted is a module that somebody asks for.
type wanted struct {
	plugin.Spec
	generation int64 // of the PolicyModule; 0: of the floor
	hold       bool  // no node opens without its first commit
	pins       []string
}

// read makes a module of a PolicyModule as it is in the API. With an error there is
// one as well, if it could be understood but for where its bytes are.
func (s Sources) read(name string, generation int64, object []byte) (*wanted, error) {
	var raw struct {
		APIVersion string          `json:"apiVersion"`
		Spec       json.RawMessage `json:"spec"`
	}
	if err := json.Unmarshal(object, &raw); err != nil {
		return nil, &refusal{ReasonInvalid, err.Error()}
	}
	if want := v1alpha1.Group + "/" + v1alpha1.Version; raw.APIVersion != want {
		return nil, &refusal{ReasonUnsupported, fmt.Sprintf("apiVersion is %s and this agent reads %s: install the CustomResourceDefinitions of the agent's version", raw.APIVersion, want)}
	}
	var spec v1alpha1.PolicyModuleSpec
	d := json.NewDecoder(bytes.NewReader(raw.Spec))
	d.DisallowUnknownFields() // what is not understood may be meant to restrict
	if err := d.Decode(&spec); err != nil {
		return nil, &refusal{ReasonUnsupported, "spec: " + strings.TrimPrefix(err.Error(), "json: ") + ": this agent's version does not know it: upgrade the agent, or correct the field"}
	}
	w := &wanted{generation: generation, hold: spec.OnFirstFailure != v1alpha1.Ignore && spec.Mode != v1alpha1.Shadow}
	w.Name, w.Order, w.Digest, w.InsteadOf = name, int(spec.Order), spec.Source.Digest, spec.InsteadOf
	if spec.Config != nil {
		w.Config = spec.Config.Raw
	}
	if spec.Mode == v1alpha1.Shadow {
		w.Mode = plugin.Shadow
	}
	if r := spec.Rollout; r != nil {
		w.Rollout = plugin.Rollout{MaxNewDenies: number(r.MaxNewDenies), MaxNewAllows: number(r.MaxNewAllows)}
	}
	w.Grant = grantOf(&spec)
	w.pins = pinsOf(&spec.Source)
	return w, s.find(w, &spec.Source)
}

// pinsOf are the digests that name a module: of its bytes, or of the artifact that
// holds them.
func pinsOf(source *v1alpha1.ModuleSource) (pins []string) {
	if source.Digest != "" {
		pins = append(pins, source.Digest)
	}
	if source.OCI != nil {
		if _, digest, pinned := strings.Cut(source.OCI.Reference, "@"); pinned {
			pins = append(pins, digest)
		}
	}
	return pins
}

func number(n *int32) *int {
	if n == nil {
		return nil
	}
	i := int(*n)
	return &i
}

// All is the grant of whoever trusts a module's manifest.
func All() plugin.Grant {
	return plugin.Grant{
		Resources: []string{"*"},
		Tiers:     []string{"admin", "network", "baseline"},
		Actions:   []string{"allow", "deny", "reject", "pass"},
	}
}

func grantOf(spec *v1alpha1.PolicyModuleSpec) plugin.Grant {
	g := All()
	if spec.Grant != nil {
		g = plugin.Grant{Resources: spec.Grant.Resources, Tiers: words(spec.Grant.Tiers), Actions: words(spec.Grant.Actions)}
	}
	if tier := strings.ToLower(string(spec.Tier)); tier != "" {
		g.Tiers = slices.DeleteFunc(g.Tiers, func(t string) bool { return t != tier })
	}
	if l := spec.Limits; l != nil {
		g.Limits = abi.Limits{
			MemoryMiB: int(l.MemoryMiB), BatchMillis: int(l.BatchMillis), SnapshotMillis: int(l.SnapshotMillis),
			Rules: int(l.Rules), Sets: int(l.Sets), Addresses: int(l.Addresses),
		}
	}
	return g
}

// words are as a module's manifest writes them.
func words[W ~string](list []W) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = strings.ToLower(string(w))
	}
	return out
}

// find says where the bytes come from.
func (s Sources) find(w *wanted, source *v1alpha1.ModuleSource) error {
	invalid := func(format string, args ...any) error { return &refusal{ReasonInvalid, fmt.Sprintf(format, args...)} }
	switch {
	case source.Builtin != "":
		wasm, err := s.Builtin(source.Builtin)
		if err != nil {
			return invalid("spec.source.builtin: %v", err)
		}
		w.From, w.Wasm = "builtin "+source.Builtin, wasm
	case source.ConfigMap != nil:
		if s.ConfigMap == nil {
			return invalid("spec.source.configMap: there are no ConfigMaps without a Kubernetes API: use file or oci")
		}
		if source.Digest == "" {
			return invalid("spec.source.digest is needed with configMap: what runs on every node is pinned")
		}
		key := cmp.Or(source.ConfigMap.Key, "module.wasm")
		w.From = "ConfigMap " + source.ConfigMap.Name + " " + key
		w.Fetch = s.ConfigMap(source.ConfigMap.Name, key, source.Digest)
	case source.File != "":
		w.From, w.Path = "file "+source.File, source.File
	case source.OCI != nil:
		w.From = "oci " + source.OCI.Reference + " " + source.OCI.PublicKey
		w.Fetch = s.OCI(source.OCI.Reference, source.Digest, source.OCI.PublicKey)
	default:
		return invalid("spec.source: name one of builtin, configMap, file and oci")
	}
	return nil
}
