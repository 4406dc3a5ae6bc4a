package agent

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-net/sluice/abi"
)

// reports are what modules say to the authors of policy objects, of transactions
// that are in force.
type reports struct {
	mu    sync.Mutex
	said  map[reportKey]said
	lives uint64
}

// said is what was said of an object. One that was forgotten and is spoken of again has
// another life: nobody need have noticed that it was gone.
type said struct {
	abi.Condition
	life uint64
}

type reportKey struct{ resource, namespace, name, module string }

// object is "networkpolicies.networking.k8s.io shop/web".
func (k reportKey) object() string {
	return k.resource + " " + strings.TrimPrefix(k.namespace+"/"+k.name, "/")
}

// saying is one of them.
type saying struct {
	reportKey
	said
}

func newReports() *reports { return &reports{said: map[reportKey]said{}} }

// take keeps what has something to say: of most objects that are in force as written
// there is nothing to remember.
func (r *reports) take(module string, list []abi.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range list {
		k := reportKey{one.Object.Resource, one.Object.Namespace, one.Object.Name, module}
		if one.Condition.True && one.Condition.Message == "" && !hasConditions(k.resource) {
			delete(r.said, k)
			continue
		}
		life := r.said[k].life
		if life == 0 {
			r.lives++
			life = r.lives
		}
		r.said[k] = said{one.Condition, life}
	}
}

// hasConditions says whether the objects of a resource show conditions, good ones
// too.
func hasConditions(resource string) bool {
	return resource == "clusternetworkpolicies.policy.networking.k8s.io"
}

// forget takes note of the end of an object.
func (r *reports) forget(resource, namespace, name string) {
	r.drop(func(k reportKey) bool { return k.resource == resource && k.namespace == namespace && k.name == name })
}

// keepOnly forgets what modules said that run no longer.
func (r *reports) keepOnly(modules map[string]bool) {
	r.drop(func(k reportKey) bool { return !modules[k.module] })
}

func (r *reports) drop(which func(reportKey) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.said, func(k reportKey, _ said) bool { return which(k) })
}

// list is all of them, by object and module.
func (r *reports) list() []saying {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]saying, 0, len(r.said))
	for k, c := range r.said {
		list = append(list, saying{k, c})
	}
	slices.SortFunc(list, func(a, b saying) int {
		return cmp.Or(cmp.Compare(a.object(), b.object()), cmp.Compare(a.module, b.module))
	})
	return list
}
