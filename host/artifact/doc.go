// Package artifact moves modules between people: it pushes, pulls, signs and
// verifies them in OCI registries, in OCI image layouts on disk, and as plain
// files.
//
// A module in a registry is the "Wasm OCI Artifact layout" of the CNCF TAG
// Runtime: a config of type application/vnd.wasm.config.v0+json, one layer of type
// application/wasm, and the module's manifest as an annotation. What is pushed
// depends on the file alone, so the same file has the same digest everywhere.
//
// Signatures are those that cosign makes and verifies with a key pair: ECDSA over
// a simple signing payload, kept under the tag sha256-HEX.sig beside what they
// sign.
//
// What it promises: what Fetch returns is what was pinned, byte for byte, whoever
// runs the registry; whatever was fetched once is kept on disk, checksummed, and
// serves when the registry does not; nothing half-written is ever read.
//
// What it never does: follow a tag that is not pinned by a digest into force, run
// anything, or write outside of the cache directory.
//
// When it dies, the cache holds whole files only, and a temporary one that the
// next fetch removes.
package artifact
