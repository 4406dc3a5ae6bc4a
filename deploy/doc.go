// Package deploy has no code: it tests that the Helm chart, the kustomize base and its
// overlays say the same, and that the agent understands what they say to it.
package deploy
