package sandbox

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/windlass-hq/windlass/internal/fault"
)

// SSHKey is a public key that the SSH server lets in. With projects or repositories it is an access key of those
// alone, else it is its user's.
type SSHKey struct {
	Name     string `json:"name"` // shown in the statistics
	Key      string `json:"key"`  // a line of authorized_keys
	User     string `json:"user"` // as AddMember names users; "" the administrator
	ReadOnly bool   `json:"read_only"`

	Workspaces   []string `json:"workspaces"` // slugs; empty means all
	Projects     []string `json:"projects"`   // "workspace/KEY" in the Cloud
	Repositories []string `json:"repositories"`
}

type sshKey struct {
	SSHKey
	wire  string
	cloud *credential
}

const (
	// KnownSSHKey is the name of the key pair that every sandbox knows.
	KnownSSHKey   = "sandbox-ssh-key"
	administrator = "admin@acme.example"

	sshKeyName = "windlass-key" // of the permissions' extension
)

// The key pairs that follow from the seed.
const (
	sshHostKey uint64 = iota
	sshClientKey
)

// sshKeyPair is no secret: like every password of the sandbox it is known to whoever knows the seed.
func (s *Sandbox) sshKeyPair(which uint64) ed25519.PrivateKey {
	g := derive(s.opts.Seed, streamSSH, which)
	seed := make([]byte, 0, ed25519.SeedSize)
	for range ed25519.SeedSize / 8 {
		seed = binary.LittleEndian.AppendUint64(seed, g.next())
	}
	return ed25519.NewKeyFromSeed(seed)
}

// SSHPrivateKey is the private part of the key pair that every sandbox knows, in the form of OpenSSH. It acts as the
// administrator.
func (s *Sandbox) SSHPrivateKey() ([]byte, error) {
	block, err := ssh.MarshalPrivateKey(s.sshKeyPair(sshClientKey), KnownSSHKey)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the sandbox cannot write its SSH key")
	}
	return pem.EncodeToMemory(block), nil
}

// SSHHostKey is the host's public key as known_hosts and authorized_keys write it: algorithm and key. The same seed
// has the same host key.
func (s *Sandbox) SSHHostKey() string { return s.sshHost }

func publicLine(pair ed25519.PrivateKey) (string, error) {
	public, err := ssh.NewPublicKey(pair.Public())
	if err != nil {
		return "", fault.Wrap(err, fault.Internal, "the sandbox cannot write its SSH key")
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))), nil
}

// addKnownSSHKeys makes the host's key and the one known that is documented for everybody.
func (s *Sandbox) addKnownSSHKeys() error {
	client, err := publicLine(s.sshKeyPair(sshClientKey))
	if err != nil {
		return err
	}
	if s.sshHost, err = publicLine(s.sshKeyPair(sshHostKey)); err != nil {
		return err
	}
	return s.AddSSHKey(SSHKey{Name: KnownSSHKey, Key: client})
}

// AddSSHKey lets a key in. A second one of the same name, or the same key twice, is refused.
func (s *Sandbox) AddSSHKey(k SSHKey) error {
	if k.Name == "" {
		return fault.New(fault.Invalid, "an SSH key needs a name")
	}
	public, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(k.Key))
	if err != nil || strings.TrimSpace(string(rest)) != "" {
		return errors.Join(err, fault.New(fault.Invalid, "%q has no public key", k.Name).With("write it as one line of authorized_keys"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &sshKey{SSHKey: k, wire: string(public.Marshal())}
	for _, other := range s.sshKeys {
		if other.Name == k.Name || other.wire == n.wire {
			return fault.New(fault.Conflict, "there is an SSH key %q already", other.Name)
		}
	}
	if n.cloud, err = s.cloudReach(k); err != nil {
		return err
	}
	s.sshKeys = append(s.sshKeys, n)
	return nil
}

// cloudReach is the key as a credential of the Cloud.
func (s *Sandbox) cloudReach(k SSHKey) (*credential, error) {
	c, err := s.resolve(Credential{
		Kind: AccessToken, Name: k.Name, Workspaces: k.Workspaces, Projects: k.Projects, Repositories: k.Repositories,
	})
	if err != nil || c.narrowed() {
		return c, err
	}
	name := k.User
	if name == "" {
		name = administrator
	}
	c.user, err = s.world.findUser(name)
	return c, err
}

// RemoveSSHKey forgets a key. Sessions that run go on; connections that are open start no further ones.
func (s *Sandbox) RemoveSSHKey(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.sshKeys)
	s.sshKeys = slices.DeleteFunc(s.sshKeys, func(k *sshKey) bool { return k.Name == name })
	if len(s.sshKeys) == n {
		return fault.New(fault.NotFound, "there is no SSH key %q", name)
	}
	return nil
}

// sshLogin accepts the user git with a key that is known.
func (s *Sandbox) sshLogin(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	if c.User() != "git" {
		return nil, errors.New("the user is always git")
	}
	wire := string(key.Marshal())
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, k := range s.sshKeys {
		if k.wire == wire {
			return &ssh.Permissions{Extensions: map[string]string{sshKeyName: k.Name}}, nil
		}
	}
	return nil, errors.New("the key is not known")
}

// sshKey finds a key by name. The caller holds the lock of the world.
func (s *Sandbox) sshKey(name string) *sshKey {
	for _, k := range s.sshKeys {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// sshInventory is what GET /sandbox/ssh-keys answers.
type sshInventory struct {
	Base    string   `json:"base"`     // as SSHBase
	HostKey string   `json:"host_key"` // as SSHHostKey
	Keys    []SSHKey `json:"keys"`
}

func (s *Sandbox) knownSSH() sshInventory {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i := sshInventory{Base: s.SSHBase(), HostKey: s.sshHost}
	for _, k := range s.sshKeys {
		i.Keys = append(i.Keys, k.SSHKey)
	}
	return i
}
