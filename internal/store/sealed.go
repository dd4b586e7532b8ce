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
	"strings"

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
	primary string
	keys    map[string]cipher.AEAD
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
		sum := sha256.Sum256(append([]byte("windlass key id\n"), key...))
		id := hex.EncodeToString(sum[:4])
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
func (k *Keyring) ID() string { return k.primary }

// Format prints ••• whatever the verb.
func (*Keyring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// sealedForm starts every sealed text: form, key id, then nonce and ciphertext in base64.
const sealedForm = "v1:"

// Seal encrypts a text for one place.
func (k *Keyring) Seal(plain string, at Place) (Sealed, error) {
	aead := k.keys[k.primary]
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return Sealed{}, fault.Wrap(err, fault.Internal, "no randomness to seal a secret")
	}
	box := aead.Seal(nonce, nonce, []byte(plain), at.bytes())
	return Sealed{sealedForm + k.primary + ":" + base64.RawStdEncoding.EncodeToString(box)}, nil
}

// Open decrypts a sealed text of one place.
func (k *Keyring) Open(s Sealed, at Place) (string, error) {
	rest, ok := strings.CutPrefix(s.text, sealedForm)
	id, code, ok2 := strings.Cut(rest, ":")
	if !ok || !ok2 {
		return "", fault.New(fault.Internal, "%s of %s %s is no sealed text", at.Column, at.Table, at.Row)
	}
	aead, ok := k.keys[id]
	if !ok {
		return "", fault.New(fault.Invalid, "%s of %s %s is sealed with the key %s, which the key file does not hold", at.Column, at.Table, at.Row, id).
			With("name the file with that key by --key-file")
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
