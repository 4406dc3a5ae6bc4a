package artifact

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/nacl/secretbox"
	"golang.org/x/crypto/scrypt"
)

// publicKey verifies what its private key has signed.
type publicKey struct{ key *ecdsa.PublicKey }

// parsePublicKey reads a PEM block "PUBLIC KEY", as cosign.pub is. Nil for empty
// text.
func parsePublicKey(text []byte) (*publicKey, error) {
	if len(text) == 0 {
		return nil, nil
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New(`the public key is not in PEM: it begins with "-----BEGIN PUBLIC KEY-----", as cosign.pub does`)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the public key: %w", err)
	}
	if ec, is := key.(*ecdsa.PublicKey); is {
		return &publicKey{ec}, nil
	}
	return nil, fmt.Errorf("the public key is of type %T; only ECDSA keys are supported, which cosign makes", key)
}

// verify checks a signature in base64 (ASN.1, over SHA-256).
func (p *publicKey) verify(message []byte, signature string) bool {
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(signature))
	sum := sha256.Sum256(message)
	return err == nil && ecdsa.VerifyASN1(p.key, sum[:], der)
}

// name tells keys apart: the beginning of the SHA-256 of the key.
func (p *publicKey) name() string {
	der, err := x509.MarshalPKIXPublicKey(p.key)
	if err != nil {
		return "unknown"
	}
	sum := sha256.Sum256(der)
	return "SHA256:" + hex.EncodeToString(sum[:8])
}

// PrivateKey signs modules.
type PrivateKey struct{ key *ecdsa.PrivateKey }

// NewKey makes a key pair (ECDSA, P-256). Both are PEM: the private one
// encrypted with the password in cosign's form, so that cosign can use it too.
func NewKey(password []byte) (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	sealed, err := seal(der, password)
	if err != nil {
		return nil, nil, err
	}
	pub, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: sealedType, Bytes: sealed}),
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub}), nil
}

// ParsePrivateKey reads an ECDSA key in PEM: cosign's encrypted form, PKCS #8, or
// SEC 1. The password is asked for only if the key is encrypted.
func ParsePrivateKey(text []byte, password func() ([]byte, error)) (*PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the private key is not in PEM")
	}
	der := block.Bytes
	if block.Type == sealedType || block.Type == formerSealedType {
		secret, err := password()
		if err != nil {
			return nil, err
		}
		if der, err = unseal(der, secret); err != nil {
			return nil, err
		}
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return &PrivateKey{key}, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("the private key (%s): %w", block.Type, err)
	}
	if ec, is := key.(*ecdsa.PrivateKey); is {
		return &PrivateKey{ec}, nil
	}
	return nil, fmt.Errorf("the private key is of type %T; only ECDSA keys are supported", key)
}

// sign returns the signature in base64.
func (k *PrivateKey) sign(message []byte) (string, error) {
	sum := sha256.Sum256(message)
	der, err := ecdsa.SignASN1(rand.Reader, k.key, sum[:])
	return base64.StdEncoding.EncodeToString(der), err
}

// Cosign encrypts a key as go-securesystemslib/encrypted does: JSON that names
// scrypt and nacl/secretbox with their parameters.
const (
	sealedType       = "ENCRYPTED SIGSTORE PRIVATE KEY"
	formerSealedType = "ENCRYPTED COSIGN PRIVATE KEY"
)

type sealed struct {
	KDF struct {
		Name   string       `json:"name"`
		Params scryptParams `json:"params"`
		Salt   []byte       `json:"salt"`
	} `json:"kdf"`
	Cipher struct {
		Name  string `json:"name"`
		Nonce []byte `json:"nonce"`
	} `json:"cipher"`
	Ciphertext []byte `json:"ciphertext"`
}

type scryptParams struct {
	N int `json:"N"`
	R int `json:"r"`
	P int `json:"p"`
}

// usual are the parameters that cosign writes, and the only ones that it reads.
var usual = scryptParams{N: 65536, R: 8, P: 1}

func seal(plain, password []byte) ([]byte, error) {
	var s sealed
	s.KDF.Name, s.KDF.Params, s.Cipher.Name = "scrypt", usual, "nacl/secretbox"
	s.KDF.Salt, s.Cipher.Nonce = make([]byte, 32), make([]byte, 24)
	_, _ = rand.Read(s.KDF.Salt) // crypto/rand never fails
	_, _ = rand.Read(s.Cipher.Nonce)
	key, err := s.key(password)
	if err != nil {
		return nil, err
	}
	s.Ciphertext = secretbox.Seal(nil, plain, (*[24]byte)(s.Cipher.Nonce), key)
	return json.Marshal(s)
}

func unseal(text, password []byte) ([]byte, error) {
	var s sealed
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("the encrypted private key: %w", err)
	}
	if s.KDF.Name != "scrypt" || s.Cipher.Name != "nacl/secretbox" || len(s.Cipher.Nonce) != 24 {
		return nil, fmt.Errorf("the private key is encrypted with %s and %s; scrypt and nacl/secretbox are supported", s.KDF.Name, s.Cipher.Name)
	}
	key, err := s.key(password)
	if err != nil {
		return nil, err
	}
	plain, ok := secretbox.Open(nil, s.Ciphertext, (*[24]byte)(s.Cipher.Nonce), key)
	if !ok {
		return nil, errors.New("the private key cannot be decrypted: the password is wrong, or the file is damaged")
	}
	return plain, nil
}

func (s *sealed) key(password []byte) (*[32]byte, error) {
	if p := s.KDF.Params; p.N > usual.N || p.R > usual.R || p.P > usual.P {
		return nil, fmt.Errorf("the private key asks for more work than %+v to be decrypted", usual)
	}
	key, err := scrypt.Key(password, s.KDF.Salt, s.KDF.Params.N, s.KDF.Params.R, s.KDF.Params.P, 32)
	if err != nil {
		return nil, fmt.Errorf("the encrypted private key: %w", err)
	}
	return (*[32]byte)(key), nil
}
