package dns

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Answer says which addresses a name has, and for how long.
type Answer struct {
	Name  string // lower case, without the dot at its end
	Addrs []netip.Addr
	TTL   time.Duration // of the shortest record that leads to an address
}

// Bounds of one message.
const (
	maxAliases   = 16
	maxAddresses = 256
)

// errNothing is a message that says nothing about addresses.
var errNothing = errors.New("no answer with addresses")

// Read reads a message. The error says why it tells no name's addresses: it is no
// answer, an error, or broken.
func Read(message []byte) (Answer, error) {
	var p dnsmessage.Parser
	head, err := p.Start(message)
	if err != nil {
		return Answer{}, fmt.Errorf("not a DNS message: %w", err)
	}
	if !head.Response || head.RCode != dnsmessage.RCodeSuccess {
		return Answer{}, errNothing
	}
	questions, err := p.AllQuestions()
	if err != nil {
		return Answer{}, fmt.Errorf("reading the question: %w", err)
	}
	if len(questions) != 1 || questions[0].Class != dnsmessage.ClassINET {
		return Answer{}, errNothing
	}
	records, err := p.AllAnswers()
	if err != nil {
		return Answer{}, fmt.Errorf("reading the answers: %w", err)
	}
	out := Answer{Name: canonical(questions[0].Name.String())}
	names := aliases(out.Name, records)
	least := uint32(1<<32 - 1)
	for _, r := range records {
		if _, leads := names[canonical(r.Header.Name.String())]; !leads {
			continue // about a name that nobody asked for
		}
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			out.Addrs = append(out.Addrs, netip.AddrFrom4(body.A))
		case *dnsmessage.AAAAResource:
			out.Addrs = append(out.Addrs, netip.AddrFrom16(body.AAAA))
		case *dnsmessage.CNAMEResource:
		default:
			continue
		}
		least = min(least, r.Header.TTL)
	}
	if len(out.Addrs) == 0 || out.Name == "" {
		return Answer{}, errNothing
	}
	if len(out.Addrs) > maxAddresses {
		out.Addrs = out.Addrs[:maxAddresses]
	}
	out.TTL = time.Duration(least) * time.Second
	return out, nil
}

// aliases are the names that the one asked for leads to, itself included.
// Records may come in any order.
func aliases(name string, records []dnsmessage.Resource) map[string]struct{} {
	leads := map[string]struct{}{name: {}}
	for range maxAliases {
		grown := false
		for _, r := range records {
			body, is := r.Body.(*dnsmessage.CNAMEResource)
			if !is {
				continue
			}
			if _, from := leads[canonical(r.Header.Name.String())]; !from {
				continue
			}
			to := canonical(body.CNAME.String())
			if _, known := leads[to]; !known {
				leads[to], grown = struct{}{}, true
			}
		}
		if !grown {
			break
		}
	}
	return leads
}

// canonical: "domain name comparisons [...] are done in a case-insensitive manner"
// (RFC 1034, 3.1).
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
