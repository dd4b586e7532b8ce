// Package datacenter reads Bitbucket Data Center, and the Bitbucket Server it grew from: its endpoints, its wire types
// and their conversion into graph values. Only graph values and the types of package bitbucket leave it.
//
// Data is what any logged-in user may read. Of /admin, where tokens are not accepted (FACTS 113), only settings are asked
// that are told nowhere else.
//
// It also decodes what webhooks tell (Decode), reads the single objects that they name (Fetch), and makes and keeps the
// webhooks themselves (Hooks), which is all that it ever changes.
//
// A full read is one call for the instance, the pages of projects, of users and of repositories, and for each repository
// the pages of its pull requests, one where it has none: the lists hold everything, so nothing is asked for a single
// pull request. Pages are as large as the server grants. What several credentials of different users add is a list of
// projects and one of repositories each, since they may see different ones.
package datacenter

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
)

// Options are what New needs; URL, Instance and Credentials are required.
type Options struct {
	URL         string   // of the web interface, or any page of it
	Instance    string   // the id that Windlass gave the instance (iid); part of every key
	Projects    []string // keys of the projects to read; none means the whole instance
	Credentials []bitbucket.Credential
	Role        bitbucket.Role // which of them it uses beside those that do everything; data where empty
	Connection  string
	HTTP        *http.Client // certificates and proxies; nil means Go's defaults
	Now         func() time.Time
	Version     string // of Windlass, for the User-Agent
	NoWait      bool
	OnWait      func(until time.Time, why string)
	Sleep       func(ctx context.Context, d time.Duration) error // between attempts; nil means really

	Spending    bitbucket.Spending // where calls are counted for all processes; nil means in this client alone
	Throttle    bitbucket.Throttle // how fast the instance is asked at most; zero fields mean no limit
	Pacer       bitbucket.Pacer    // what keeps that pace over all processes; nil means this client alone
	Interactive bool               // a person waits: the hours of the throttle do not hold

	AllowHTTP      bool // send credentials over plain http to other machines
	NoPullRequests bool // the connection does not read pull requests
}

// Client reads one connection. It is safe for concurrent use.
type Client struct {
	core *bitbucket.Client
	keys keys
	base string // URL of the web interface
	want []string
	// creds are the credentials that are used for reading, each once.
	creds []bitbucket.Credential

	noPullRequests bool

	who identities

	mu     sync.Mutex
	found  map[string]foundProject    // by wanted key: what Projects read
	listed map[string]bool            // keys of the projects that Projects listed
	paths  map[string]place           // by graph key of the repository: where it was last seen
	sees   map[string]map[string]bool // principal → graph keys of the repositories it listed; only with several principals
}

// place is where an object is: the short key of a project, and for a repository its slug.
type place struct{ project, slug string }

// New returns a Client. It sends nothing.
func New(o Options) (*Client, error) {
	base, err := BaseURL(o.URL, o.AllowHTTP)
	if err != nil {
		return nil, err
	}
	if o.Instance == "" || strings.ContainsAny(o.Instance, ":|") {
		return nil, fault.New(fault.Internal, "the connection %q has no usable instance id (%q)", o.Connection, o.Instance)
	}
	want, err := clean(o.Projects)
	if err != nil {
		return nil, err
	}
	api, err := bitbucket.ParseOrigin(base+"/rest", o.AllowHTTP)
	if err != nil {
		return nil, err
	}
	var creds []bitbucket.Credential
	for _, c := range o.Credentials {
		if c.Kind == bitbucket.OAuth || c.Kind == bitbucket.APIToken {
			return nil, fault.New(fault.Invalid, "credentials of kind %s are not accepted for a Bitbucket Data Center", c.Kind).
				With("use an HTTP access token (--token) or a user name and password (--username, --password)")
		}
		known := slices.ContainsFunc(creds, func(k bitbucket.Credential) bool { return k.Principal() == c.Principal() })
		if !known && (c.Role == bitbucket.RoleAny || c.Role == cmp.Or(o.Role, bitbucket.RoleData)) {
			creds = append(creds, c)
		}
	}
	core, err := bitbucket.New(bitbucket.Options{
		API: api, Credentials: o.Credentials, Role: o.Role, Connection: o.Connection, Version: o.Version, HTTP: o.HTTP,
		Now: o.Now, Sleep: o.Sleep, NoWait: o.NoWait, OnWait: o.OnWait,
		Realm: Realm(o.Instance), Spending: o.Spending, Throttle: o.Throttle, Pacer: o.Pacer, Interactive: o.Interactive,
		Confirm: confirm, Knows: notPermitted,
	})
	if err != nil {
		return nil, err
	}
	return &Client{
		core: core, keys: keys{o.Instance}, base: base, want: want, creds: creds, noPullRequests: o.NoPullRequests,
		who: identities{verdicts: map[string]verdict{}}, found: map[string]foundProject{}, listed: map[string]bool{},
		paths: map[string]place{}, sees: map[string]map[string]bool{},
	}, nil
}

// Realm names the principals of an instance in what is remembered of their spending.
func Realm(instance string) string { return "dc:" + instance }

// Calls returns how many API requests were sent, retries included.
func (c *Client) Calls() int64 { return c.core.Calls() }

// Close closes the connections that are idle.
func (c *Client) Close() { c.core.Close() }

// Budgets returns what every principal has spent in the last hour.
func (c *Client) Budgets() []bitbucket.Budget { return c.core.Budgets() }

// URL returns the address of the instance as it was reduced from what was configured.
func (c *Client) URL() string { return c.base }

// clean trims a list of project keys. Keys are told apart without regard to case, as the vendor does.
func clean(projects []string) ([]string, error) {
	out := make([]string, 0, len(projects))
	for _, p := range projects {
		p = strings.TrimSpace(p)
		if p == "" {
			return nil, fault.New(fault.Invalid, "the list of projects holds an empty key").With("check the commas of --project")
		}
		if strings.ContainsAny(p, "/?#% ") {
			return nil, fault.New(fault.Invalid, "%q is no project key", p).
				With("give the part of the address after /projects/, without slashes and spaces")
		}
		if !slices.ContainsFunc(out, func(q string) bool { return strings.EqualFold(p, q) }) {
			out = append(out, p)
		}
	}
	return out, nil
}
