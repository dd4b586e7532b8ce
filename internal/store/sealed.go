package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"

	"github.com/windlass-hq/windlass/internal/fault"
)

// hidden is what every secret prints as.
const hidden = "•••"

// Sealed is an encrypted text as it lies in the database. It prints ••• under every verb, in JSON and in logs; only
// Keyring.Open gets at the plain text, and only the SQL of this package at the ciphertext.
type Sealed struct{ text string }

// String returns •••.
func (Sealed) String() string { return hidden }

// GoString returns •••.
func (Sealed) GoString() string { return hidden }

// Format prints ••• whatever the verb.
func (Sealed) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText returns •••, which JSON, YAML and XML use.
func (Sealed) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue returns •••.
func (Sealed) LogValue() slog.Value { return slog.StringValue(hidden) }

// Place is where a sealed text lies. It is bound into the ciphertext, so that a text copied to another row does not
// open there.
type Place struct{ Table, Row, Column string }

func (p Place) bytes() []byte { return []byte(p.Table + "\x00" + p.Row + "\x00" + p.Column) }

// Keyring seals and opens texts with AES-256-GCM. It is safe for concurrent use and prints as •••.
type Keyring struct {
	path string // read again where a key is unknown; empty for none

	mu      sync.RWMutex
	primary string
	keys    map[string]cipher.AEAD
}

// keyIDSize is how long the id of a key is.
const keyIDSize = 8

// keyID names a key; it says nothing about the key itself.
func keyID(key []byte) string {
	sum := sha256.Sum256(append([]byte("windlass key id\n"), key...))
	return hex.EncodeToString(sum[:keyIDSize/2])
}

// NewKeyring makes a keyring of keys of 32 bytes. The first one seals, all of them open.
func NewKeyring(keys ...[]byte) (*Keyring, error) {
	k := &Keyring{keys: make(map[string]cipher.AEAD, len(keys))}
	for _, key := range keys {
		if len(key) != keySize {
			return nil, fault.New(fault.Invalid, "a key has %d bytes, not %d", len(key), keySize)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
		id := keyID(key)
		if k.primary == "" {
			k.primary = id
		}
		k.keys[id] = aead
	}
	if k.primary == "" {
		return nil, fault.New(fault.Invalid, "no key given")
	}
	return k, nil
}

// ID names the key that seals; it says nothing about the key itself.
func (k *Keyring) ID() string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.primary
}

// of returns the cipher of a key, nil where there is none. A key that is not held is looked for in the file, where
// another process may have put it (RotateKey). What the file no longer holds stays in memory: a text may have been
// read before it was sealed anew.
func (k *Keyring) of(id string) (cipher.AEAD, error) {
	k.mu.RLock()
	aead := k.keys[id]
	k.mu.RUnlock()
	if aead != nil || k.path == "" {
		return aead, nil
	}
	fresh, err := LoadKey(k.path)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.Copy(k.keys, fresh.keys)
	return k.keys[id], nil
}

// sealWith makes another key the one that seals.
func (k *Keyring) sealWith(id string) error {
	aead, err := k.of(id)
	if err != nil {
		return err
	}
	if aead == nil {
		return unknownKey("the database", id)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.primary = id
	return nil
}

func unknownKey(what, id string) error {
	return fault.New(fault.Invalid, "%s is sealed with the key %s, which the key file does not hold", what, id).
		With("name the file with that key by --key-file, or copy it from where the key was rotated; a key that was retired lies beside it in a file that ends with %s", retiredSuffix)
}

// Format prints ••• whatever the verb.
func (*Keyring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// sealedForm starts every sealed text: form, key id, then nonce and ciphertext in base64.
const sealedForm = "v1:"

// Seal encrypts a text for one place.
func (k *Keyring) Seal(plain string, at Place) (Sealed, error) {
	return k.sealBy(k.ID(), plain, at)
}

func (k *Keyring) sealBy(id, plain string, at Place) (Sealed, error) {
	aead, err := k.of(id)
	if err != nil {
		return Sealed{}, err
	}
	if aead == nil {
		return Sealed{}, unknownKey("the database", id)
	}
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return Sealed{}, fault.Wrap(err, fault.Internal, "no randomness to seal a secret")
	}
	box := aead.Seal(nonce, nonce, []byte(plain), at.bytes())
	return Sealed{sealedForm + id + ":" + base64.RawStdEncoding.EncodeToString(box)}, nil
}

// Open decrypts a sealed text of one place.
func (k *Keyring) Open(s Sealed, at Place) (string, error) {
	id, code, ok := s.parts()
	if !ok {
		return "", fault.New(fault.Internal, "%s of %s %s is no sealed text", at.Column, at.Table, at.Row)
	}
	aead, err := k.of(id)
	if err != nil {
		return "", err
	}
	if aead == nil {
		return "", unknownKey(at.Column+" of "+at.Table+" "+at.Row, id)
	}
	box, err := base64.RawStdEncoding.DecodeString(code)
	if err != nil || len(box) < aead.NonceSize() {
		return "", fault.New(fault.Internal, "%s of %s %s is damaged", at.Column, at.Table, at.Row)
	}
	plain, err := aead.Open(nil, box[:aead.NonceSize()], box[aead.NonceSize():], at.bytes())
	if err != nil {
		return "", fault.New(fault.Invalid, "%s of %s %s does not open: it was changed or belongs elsewhere", at.Column, at.Table, at.Row).
			With("enter the secret again")
	}
	return string(plain), nil
}

// parts returns the id of the key and the coded ciphertext.
func (s Sealed) parts() (id, code string, ok bool) {
	rest, ok := strings.CutPrefix(s.text, sealedForm)
	id, code, cut := strings.Cut(rest, ":")
	return id, code, ok && cut
}

// Value writes the ciphertext into a database; nothing else may use it.
func (s Sealed) Value() (driver.Value, error) { return s.text, nil }

// Scan reads the ciphertext from a database.
func (s *Sealed) Scan(v any) error {
	switch v := v.(type) {
	case string:
		s.text = v
	case []byte:
		s.text = string(v)
	default:
		return fmt.Errorf("a sealed text is stored as %T", v)
	}
	return nil
}
