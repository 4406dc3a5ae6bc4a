package testkit

import (
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/abi"
)

// objects are those given. Of resources that the module watches and nobody gave
// an object of, some are made up.
func (k *kit) objects() []*abi.ObjectPut {
	list := slices.Clone(k.Objects)
	for _, resource := range k.manifest.Resources {
		given := func(o *abi.ObjectPut) bool { return o.Resource == resource }
		if slices.ContainsFunc(k.Objects, given) {
			continue
		}
		for i := range 4 {
			if resource == abi.DNSAnswers {
				list = append(list, madeUpAnswer(i))
			} else {
				list = append(list, madeUp(resource, i))
			}
		}
	}
	return list
}

// madeUp is an object of a kind of which nothing is known.
func madeUp(resource string, i int) *abi.ObjectPut {
	name, namespace := fmt.Sprint("made-up-", i), fmt.Sprint("ns-", i%2)
	text := fmt.Appendf(nil, `{"metadata":{"name":%q,"namespace":%q,"labels":{"app":"a"}},"spec":{}}`, name, namespace)
	return &abi.ObjectPut{Resource: resource, Namespace: namespace, Name: name, UID: name, Generation: 1, JSON: text}
}

// madeUpAnswer is what the host says of a name (section 1.3). Those who give
// objects cannot give these: they are none of the cluster.
func madeUpAnswer(i int) *abi.ObjectPut {
	name := fmt.Sprintf("n%d.example.com", i)
	text := fmt.Appendf(nil, `{"name":%q,"addresses":["192.0.2.%d","198.51.100.%d","2001:db8::%d"]}`, name, i+1, i/2+1, i+1)
	return &abi.ObjectPut{Resource: abi.DNSAnswers, Name: name, UID: name, Generation: 1, JSON: text}
}
