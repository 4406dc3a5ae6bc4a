package sctp

import (
	"net"
	"sync"
)

// socket is a raw socket of one port, and the associations on it. The kernel hands
// every SCTP packet of the network namespace to each of them.
type socket struct {
	raw  *net.IPConn
	port uint16

	mu       sync.Mutex
	peers    map[peer]*SCTPConn
	listener *SCTPListener // nil: it only dials
}

// peer is who is at the other end.
type peer struct {
	ip   string
	port uint16
}

func open(local *net.IPAddr, port uint16) (*socket, error) {
	network := "ip4:132"
	if local.IP.To4() == nil {
		network = "ip6:132"
	}
	raw, err := net.ListenIP(network, local)
	if err != nil {
		return nil, err
	}
	return &socket{raw: raw, port: port, peers: map[peer]*SCTPConn{}}, nil
}

func (s *socket) send(to *net.IPAddr, port uint16, tag uint32, c chunk) error {
	_, err := s.raw.WriteToIP(encode(header{s.port, port, tag}, c), to)
	return err
}

// receive hands packets on until the socket is closed.
func (s *socket) receive() {
	buffer := make([]byte, 1<<16)
	for {
		n, from, err := s.raw.ReadFromIP(buffer)
		if err != nil {
			return
		}
		h, ok := decode(buffer[:n])
		if !ok || h.to != s.port {
			continue
		}
		for c := range chunks(buffer[:n]) {
			s.handle(from, h, c)
		}
	}
}

func (s *socket) handle(from *net.IPAddr, h header, c chunk) {
	s.mu.Lock()
	conn, listener := s.peers[peer{from.String(), h.from}], s.listener
	s.mu.Unlock()
	switch {
	case listener != nil && (c.kind == chunkInit || c.kind == chunkCookieEcho):
		listener.handle(from, h, c)
	case conn != nil && h.tag == conn.tag:
		conn.handle(c)
	}
}

// add makes an association known; false: there is one.
func (s *socket) add(conn *SCTPConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := peer{conn.remote.String(), conn.remotePort}
	if s.peers[key] != nil {
		return false
	}
	s.peers[key] = conn
	return true
}

// remove ends an association, and the socket with the last of one that only dials.
func (s *socket) remove(conn *SCTPConn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.peers, peer{conn.remote.String(), conn.remotePort})
	if s.listener != nil {
		return nil
	}
	return s.raw.Close()
}
