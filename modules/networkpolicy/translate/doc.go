// Package translate turns one NetworkPolicy (networking.k8s.io/v1) into the
// flow requests that say the same: the sets it names, an Allow rule for each of
// its rules, and an isolation for each direction that it is about.
//
// It promises that the answer depends on nothing but the object, that what the
// API server accepts is never refused, and that what it refuses is refused whole
// and with the path of the field that is wrong. It never widens: where the API
// says that something absent means "everything", an object with only unknown
// content does not count as absent.
package translate
