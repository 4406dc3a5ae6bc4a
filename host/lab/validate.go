package lab

import (
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// The lab checks of its objects what it would stumble over itself: names,
// because they become names of files, and ports, because it listens on them.

func validName(field, name string) error {
	if name == "" {
		return fmt.Errorf("%s is empty", field)
	}
	if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 {
		return fmt.Errorf("%s %q: %s", field, name, strings.Join(wrong, "; "))
	}
	return nil
}

func validPod(pod *corev1.Pod) error {
	errs := []error{validName("metadata.name", pod.Name), validName("metadata.namespace", pod.Namespace)}
	if pod.Spec.NodeName != "" {
		errs = append(errs, validName("spec.nodeName", pod.Spec.NodeName))
	}
	errs = append(errs, validPorts("spec.initContainers", pod.Spec.InitContainers), validPorts("spec.containers", pod.Spec.Containers))
	return errors.Join(errs...)
}

func validPorts(field string, containers []corev1.Container) error {
	for i, container := range containers {
		for j, port := range container.Ports {
			at := fmt.Sprintf("%s[%d].ports[%d]", field, i, j)
			if wrong := validation.IsValidPortNum(int(port.ContainerPort)); len(wrong) > 0 {
				return fmt.Errorf("%s.containerPort %d: %s", at, port.ContainerPort, strings.Join(wrong, "; "))
			}
			if port.Protocol == "" {
				continue
			}
			if _, err := transportOf(string(port.Protocol)); err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
		}
	}
	return nil
}
