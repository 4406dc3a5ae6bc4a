// Package images makes the images that a test cluster's Pods use, under the names
// that kubelet and Kubernetes' own e2e suite ask for: pause, busybox and agnhost.
//
// They are made of Kubernetes' own programs (package build), of Debian's static
// busybox and bash, and of its netcat, curl, wget and ss, and kept in the user's cache directory.
package images
