package cluster

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// packed is a Pod as protobuf. A first list may be of a hundred thousand Pods, which wait
// for one another before anybody is told: so each is some hundred bytes, and not as many
// as all fields that a Pod could have.
type packed string

func pack(pod *corev1.Pod) (packed, error) {
	text, err := pod.Marshal()
	return packed(text), err
}

// Pod is the Pod that a Put of Pods is about; false for everything else. Each call may
// make another copy.
func (e *Event) Pod() (*corev1.Pod, bool) {
	switch object := e.Object.(type) {
	case *corev1.Pod:
		return object, true
	case packed:
		pod := &corev1.Pod{}
		if err := pod.Unmarshal([]byte(object)); err != nil {
			panic(fmt.Sprintf("cluster: Pod %s/%s was packed and can not be unpacked: %v", e.Namespace, e.Name, err)) // a fault of this file
		}
		pod.Kind, pod.APIVersion = "Pod", "v1"
		return pod, true
	}
	return nil, false
}

// unpacked is the object as all others are.
func (e *Event) unpacked() any {
	if pod, is := e.Pod(); is {
		return pod
	}
	return e.Object
}
