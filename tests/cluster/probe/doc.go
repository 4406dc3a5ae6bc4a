// Probe is what a test's Pods run: servers that echo, and clients that say in lines of
// JSON what became of what they sent.
//
//	probe serve :80                      echo over TCP and UDP
//	probe stream tcp HOST:PORT           one connection for ever: a number every 10 ms
//	probe stream udp HOST:PORT           the same in datagrams, and how many were lost
//	probe dial HOST:PORT                 a new connection every 5 ms; says when the outcome changes
//	probe dial -n 100 HOST:PORT          ends after so many
//	probe dial -network udp -patience 5s HOST:PORT
//	                                     a datagram each, from a new port: what is lost, and not only late
//
// Times are of the machine's one clock, in nanoseconds since 1970, and those of when an attempt
// began. An attempt counts as let through if the echo of its own number came back in time.
package main
