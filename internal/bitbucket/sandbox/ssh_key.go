package sandbox

import (
	"bytes"
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
// alone, else it is its user's, on both products.
type SSHKey struct {
	Name     string `json:"name"` // shown in the statistics
	Key      string `json:"key"`  // a line of authorized_keys
	User     string `json:"user"` // as AddMember names users, or a name of Data Center; "" the administrator
	ReadOnly bool   `json:"read_only"`

	Workspaces   []string `json:"workspaces"`   // of the Cloud: slugs; empty means all
	Projects     []string `json:"projects"`     // "workspace/KEY" of the Cloud, "KEY" of Data Center
	Repositories []string `json:"repositories"` // "workspace/slug", or "KEY/slug" where no workspace has that name
}

type sshKey struct {
	SSHKey
	wire  string
	cloud *credential
	dc    *dcCredential // of access keys that reach something there
}

// narrowed says whether it is an access key.
func (k *sshKey) narrowed() bool { return len(k.Projects)+len(k.Repositories) > 0 }

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

// IsSSHKey says whether a file holds that key. Two writings of one key differ.
func (s *Sandbox) IsSSHKey(file []byte) bool {
	key, err := ssh.ParsePrivateKey(file)
	if err != nil {
		return false
	}
	known, err := ssh.NewSignerFromKey(s.sshKeyPair(sshClientKey))
	return err == nil && bytes.Equal(key.PublicKey().Marshal(), known.PublicKey().Marshal())
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
	if err := s.reach(n); err != nil {
		return err
	}
	s.sshKeys = append(s.sshKeys, n)
	return nil
}

// reach looks up what a key refers to on either product.
func (s *Sandbox) reach(k *sshKey) error {
	cloud := Credential{Kind: AccessToken, Name: k.Name, Workspaces: k.Workspaces}
	dc := DCCredential{Name: k.Name, Token: k.wire, User: "admin", Permission: "write"}
	for _, name := range k.Projects {
		if strings.Contains(name, "/") {
			cloud.Projects = append(cloud.Projects, name)
		} else {
			dc.Projects = append(dc.Projects, name)
		}
	}
	for _, name := range k.Repositories {
		if owner, _, _ := strings.Cut(name, "/"); s.world.workspace(owner) != nil {
			cloud.Repositories = append(cloud.Repositories, name)
		} else {
			dc.Repositories = append(dc.Repositories, name)
		}
	}
	var err error
	if k.cloud, err = s.resolve(cloud); err != nil {
		return err
	}
	if len(dc.Projects)+len(dc.Repositories) > 0 {
		if k.dc, err = s.dc().resolve(dc); err != nil {
			return err
		}
		k.dc.user = &user{name: k.Name, login: "access-key-user/" + k.Name, service: true} // whom no list of users shows
		s.dc().register(k.dc.user, 1)
	}
	if k.narrowed() {
		k.cloud.nowhereElse()
		return nil
	}
	if k.User == "" {
		k.User = administrator
	}
	if k.cloud.user = s.world.user(k.User); k.cloud.user == nil {
		k.cloud.nowhereElse()
		if s.dc().userNamed(k.User) == nil {
			return fault.New(fault.NotFound, "there is no user %q", k.User).With("use an address, or a name of Data Center")
		}
	}
	return nil
}

// nowhereElse takes away what is not named: whoever has nothing in the Cloud sees no more there than everybody does.
func (c *credential) nowhereElse() {
	if c.repos == nil {
		c.repos = map[*repo]bool{}
	}
}

// dcReach is the key as a credential of Data Center, or nil where it is nobody's there. It is looked up for every
// session, since users and their rights change. The caller holds the lock of the world.
func (s *Sandbox) dcReach(k *sshKey) *dcCredential {
	d := s.dc()
	c := k.dc
	if !k.narrowed() {
		c = d.reachOf(k)
	}
	if c != nil && k.ReadOnly {
		cp := *c
		cp.level = min(cp.level, dcRead)
		return &cp
	}
	return c
}

// reachOf returns what the user of a key may; that does not depend on how he signs in.
func (d *dataCenter) reachOf(k *sshKey) *dcCredential {
	name := k.User
	if k.cloud.user != nil {
		name = k.cloud.user.email
	}
	u := d.userNamed(name)
	if u == nil {
		return nil
	}
	for _, c := range d.creds {
		if c.user == u && c.Password != "" {
			return c
		}
	}
	return &dcCredential{user: u, level: dcWrite}
}

// userNamed finds an account by address or by the name to sign in with.
func (d *dataCenter) userNamed(name string) *user {
	for _, u := range d.world.users {
		if !u.gone && (u.email == name || u.login == name) {
			return u
		}
	}
	return nil
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
