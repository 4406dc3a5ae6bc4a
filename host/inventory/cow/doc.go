// Package cow is a hash map that can be frozen in constant time.
//
// It promises that a View never changes and may be read by many goroutines
// while the Map that it was taken from goes on. Entries live in small shards;
// a write copies only the shard that it touches, and only if a View was taken
// since that shard was last written. Without Views it is about as fast as the
// built-in map.
//
// It never shrinks its directory, keeps no order, and is not for values that
// are changed in place: what a View returned is shared.
package cow
