package pki

import (
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
)

// TLS is a client's configuration with a certificate that was issued under this name.
func (a *Authority) TLS(name string) (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	return &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: roots, MinVersion: tls.VersionTLS13}, nil
}
