package sandbox

import (
	"strconv"

	"github.com/windlass-hq/windlass/internal/fault"
)

// CredentialKind is how a caller proves who it is (FACTS 8 to 17).
type CredentialKind string

// The kinds of credentials.
const (
	Consumer    CredentialKind = "consumer"     // OAuth consumer: key and secret, client credentials
	AccessToken CredentialKind = "access_token" // of a repository, project or workspace: Bearer
	APIToken    CredentialKind = "api_token"    // of a user: Basic with the e-mail address
)

// Credential is one credential that the sandbox accepts. Each is a principal of its own: it has its own allowance
// and its own view.
type Credential struct {
	Kind   CredentialKind `json:"kind"`
	Name   string         `json:"name"` // shown in the statistics, so no secret
	Key    string         `json:"key"`  // consumer key, or the e-mail address of an API token
	Secret string         `json:"secret"`
	Scopes []string       `json:"scopes"`

	// What it reaches. Workspaces are slugs, empty means all; projects ("acme/KEY") and repositories ("acme/slug")
	// narrow that, as tokens of projects and repositories do.
	Workspaces   []string `json:"workspaces"`
	Projects     []string `json:"projects"`
	Repositories []string `json:"repositories"`

	Revoked bool `json:"revoked"` // 401 from now on
	Expired bool `json:"expired"` // 401 with the text of an expired token

	HourlyLimit int `json:"hourly_limit"` // instead of Limits.API
}

type credential struct {
	Credential
	user     *user // of API tokens
	projects map[*project]bool
	repos    map[*repo]bool
	granted  map[string]bool // scopes with the implied ones
}

// issuedToken is an OAuth token.
type issuedToken struct {
	cred    *credential
	expires int64
}

// EveryScope is what the known credentials may do.
func EveryScope() []string {
	return []string{"account", "pipeline", "project:admin", "project", "pullrequest:write", "repository:admin", "webhook"}
}

// everyTokenScope is the same in the words of API tokens, which imply nothing (FACTS 33).
func everyTokenScope() []string {
	return []string{
		"read:user:bitbucket", "read:workspace:bitbucket", "read:project:bitbucket", "admin:project:bitbucket",
		"read:repository:bitbucket", "write:repository:bitbucket", "admin:repository:bitbucket",
		"read:pullrequest:bitbucket", "write:pullrequest:bitbucket", "read:webhook:bitbucket", "write:webhook:bitbucket",
		"delete:webhook:bitbucket", "read:permission:bitbucket", "read:pipeline:bitbucket",
	}
}

// addKnownCredentials makes those that are documented for everybody.
func (s *Sandbox) addKnownCredentials() {
	for i := range 9 {
		n := ""
		if i > 0 {
			n = "-" + strconv.Itoa(i+1)
		}
		s.mustAdd(Credential{Kind: Consumer, Name: "sandbox-key" + n, Key: "sandbox-key" + n, Secret: "sandbox-secret" + n, Scopes: EveryScope()})
		s.mustAdd(Credential{
			Kind: AccessToken, Name: "access-token" + n, Secret: "sandbox-cloud-token" + n, Scopes: EveryScope(), Workspaces: []string{"acme"},
		})
	}
	s.mustAdd(Credential{Kind: APIToken, Name: "admin@acme.example", Key: "admin@acme.example", Secret: "sandbox-api-token", Scopes: everyTokenScope()})
}

// mustAdd is for the known ones, which are free of what AddCredential refuses.
func (s *Sandbox) mustAdd(c Credential) {
	if err := s.AddCredential(c); err != nil {
		panic("sandbox: " + err.Error())
	}
}

// AddCredential makes a credential known. A second one of the same name is refused.
func (s *Sandbox) AddCredential(c Credential) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.Secret == "" || c.Name == "" {
		return fault.New(fault.Invalid, "a credential needs a name and a secret")
	}
	if s.credential(c.Name) != nil {
		return fault.New(fault.Conflict, "there is a credential %q already", c.Name)
	}
	n, err := s.resolve(c)
	if err != nil {
		return err
	}
	s.creds = append(s.creds, n)
	return nil
}

// EditCredential changes a credential in place: its scopes, its reach, whether it is revoked or expired. Tokens
// that a consumer was given stay valid unless it is revoked or expired.
func (s *Sandbox) EditCredential(name string, edit func(*Credential)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.credential(name)
	if old == nil {
		return fault.New(fault.NotFound, "there is no credential %q", name)
	}
	c := old.Credential
	edit(&c)
	c.Name = name
	n, err := s.resolve(c)
	if err != nil {
		return err
	}
	*old = *n
	return nil
}

// ExpireTokens ends the life of every OAuth token that was given to a consumer, as if its time had come.
func (s *Sandbox) ExpireTokens(consumer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.issued {
		if t.cred.Name == consumer {
			t.expires = 0
		}
	}
}

func (s *Sandbox) credential(name string) *credential {
	for _, c := range s.creds {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// resolve looks up what a credential refers to.
func (s *Sandbox) resolve(c Credential) (*credential, error) {
	n := &credential{Credential: c, granted: impliedScopes(c.Scopes)}
	switch c.Kind {
	case Consumer, AccessToken:
	case APIToken:
		if n.user = s.world.user(c.Key); n.user == nil {
			return nil, fault.New(fault.NotFound, "no user has the address %q", c.Key)
		}
	default:
		return nil, fault.New(fault.Invalid, "unknown kind of credential %q", c.Kind).With("use %s, %s or %s", Consumer, AccessToken, APIToken)
	}
	for _, name := range c.Workspaces {
		if s.world.workspace(name) == nil {
			return nil, fault.New(fault.NotFound, "there is no workspace %q", name)
		}
	}
	for _, name := range c.Projects {
		p, err := s.world.findProject(name)
		if err != nil {
			return nil, err
		}
		if n.projects == nil {
			n.projects = map[*project]bool{}
		}
		n.projects[p] = true
	}
	for _, name := range c.Repositories {
		r, err := s.world.findRepo(name)
		if err != nil {
			return nil, err
		}
		if n.repos == nil {
			n.repos = map[*repo]bool{}
		}
		n.repos[r] = true
	}
	return n, nil
}

// seesWorkspace says whether the workspace itself exists for a caller.
func (c *credential) seesWorkspace(ws *workspace) bool {
	if c == nil {
		return !ws.private
	}
	if c.user != nil && ws.member(c.user) == nil {
		return false
	}
	if len(c.Workspaces) == 0 {
		return true
	}
	for _, name := range c.Workspaces {
		if name == ws.slug || name == ws.id.String() {
			return true
		}
	}
	return false
}

func (c *credential) narrowed() bool { return c.projects != nil || c.repos != nil }

func (c *credential) seesProject(p *project) bool {
	if !c.seesWorkspace(p.ws) {
		return !p.private
	}
	return c == nil || !c.narrowed() || c.projects[p] || !p.private
}

// sees says whether a repository exists for a caller; public ones do for everybody.
func (c *credential) sees(r *repo) bool {
	if !r.private {
		return true
	}
	if c == nil || r.ws.outside || !c.seesWorkspace(r.ws) {
		return false
	}
	return !c.narrowed() || c.projects[r.project] || c.repos[r]
}
