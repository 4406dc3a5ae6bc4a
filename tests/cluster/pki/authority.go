package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Authority signs the certificates of one cluster.
type Authority struct {
	dir         string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// lifetime of all certificates: longer than any run.
const lifetime = 7 * 24 * time.Hour

// New makes an authority that writes its files into a directory, which exists.
func New(dir string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sluice-test-cluster"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(lifetime),
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a := &Authority{dir: dir, certificate: certificate, key: key}
	if err := write(a.Certificate(), "CERTIFICATE", der, nil); err != nil {
		return nil, err
	}
	return a, a.writeKey(a.KeyFile(), key)
}

// Certificate is the file of the authority's own certificate.
func (a *Authority) Certificate() string { return filepath.Join(a.dir, "ca.crt") }

// KeyFile is the file of the authority's private key, for a signer in the cluster.
func (a *Authority) KeyFile() string { return filepath.Join(a.dir, "ca.key") }

// Subject is whom a certificate is for. Kubernetes reads a client's user from
// CommonName and its groups from Groups; Hosts are the names and addresses of a server.
type Subject struct {
	User   string
	Groups []string
	Hosts  []string
}

// Pair is the two files of a certificate.
type Pair struct{ Certificate, Key string }

// Issue makes a certificate under a name that is the base of its files' names.
func (a *Authority) Issue(name string, to Subject) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return Pair{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: to.User, Organization: to.Groups},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: a.certificate.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, host := range to.Hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("certificate %s: %w", name, err)
	}
	pair := Pair{filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key")}
	if err := write(pair.Certificate, "CERTIFICATE", der, nil); err != nil {
		return Pair{}, err
	}
	return pair, a.writeKey(pair.Key, key)
}

// SigningKey makes a key without a certificate, such as that of ServiceAccount tokens.
func (a *Authority) SigningKey(name string) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	path := filepath.Join(a.dir, name+".key")
	return path, a.writeKey(path, key)
}

func (a *Authority) writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	return write(path, "EC PRIVATE KEY", der, err)
}

func write(path, kind string, der []byte, err error) error {
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
