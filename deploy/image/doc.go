// Package image makes container images out of files, without a registry and
// without a container engine: one layer, in an archive of the OCI image layout that
// containerd, podman and skopeo import.
//
// What it promises: the same files give the same bytes, and so the same digest.
//
// What it never does: run anything, or read anything but the files that it is told of.
package image
