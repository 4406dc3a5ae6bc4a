// Package pki makes the certificates of a test cluster, and kubeconfigs for them.
//
// Each Authority is its own root, in memory but for its certificate. Nothing is
// meant to outlive the cluster; keys are readable by their owner only.
package pki
