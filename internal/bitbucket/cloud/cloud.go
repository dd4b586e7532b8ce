// Package cloud reads Bitbucket Cloud: its endpoints, its wire types and their conversion into graph values. Only
// graph values and the types of package bitbucket leave it.
package cloud

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// The vendor's addresses (FACTS 1, 4).
const (
	DefaultAPIURL  = "https://api.bitbucket.org/2.0"
	DefaultSiteURL = "https://bitbucket.org"
)

// Options are what New needs; only Credentials are required.
type Options struct {
	APIURL      string // with or without /2.0; empty means the vendor's
	SiteURL     string // where OAuth tokens come from; empty means the web address that belongs to APIURL
	Credentials []bitbucket.Credential
	Role        bitbucket.Role // which of them it uses beside those that do everything; data where empty
	Connection  string
	HTTP        *http.Client // certificates and proxies; nil means Go's defaults
	Now         func() time.Time
	Version     string
	NoWait      bool
	OnWait      func(until time.Time, why string)
	Sleep       func(ctx context.Context, d time.Duration) error // between attempts; nil means really

	Spending    bitbucket.Spending // where calls are counted for all processes; nil means in this client alone
	Allowance   int                // calls per rolling hour and credential as the owner states it; see Allowances
	Share       float64            // of an allowance that may be spent; 0 means the default
	Interactive bool               // a person waits: a little more than the share may be spent

	AllowHTTP      bool // send credentials over plain http to other machines
	NoPullRequests bool // the connection does not read pull requests, so Check asks for no scope for them
}

// Client reads one connection. It is safe for concurrent use.
type Client struct {
	core           *bitbucket.Client
	noPullRequests bool

	asking sync.Mutex // held while principals are asked what they see

	mu     sync.Mutex
	listed map[string]bool             // keys of the projects that Projects listed
	sees   map[string]map[string]bool  // workspace UUID → whether a principal sees it; one that is missing was not asked yet
	sizes  map[string]map[string]int64 // workspace UUID → how many repositories a principal sees; refused where it may not list them
	narrow map[string]map[string]bool  // workspace UUID → principals that see fewer repositories than others
	bySlug map[string]string           // workspace slug → UUID
}

// Workspace is a workspace that was found.
type Workspace struct {
	Slug, UUID string // UUID lower case, without braces
	Object     graph.Object
}

// New returns a Client. It sends nothing.
func New(o Options) (*Client, error) {
	apiURL := address(o.APIURL)
	api, err := bitbucket.ParseOrigin(apiURL, o.AllowHTTP)
	if err != nil {
		return nil, err
	}
	siteURL := strings.TrimRight(strings.TrimSpace(o.SiteURL), "/")
	if siteURL == "" {
		siteURL = siteOf(apiURL)
	}
	site, err := bitbucket.ParseOrigin(siteURL+"/site/oauth2/access_token", o.AllowHTTP)
	if err != nil {
		return nil, err
	}
	for _, c := range o.Credentials {
		if c.Kind == bitbucket.Basic {
			return nil, fault.New(fault.Invalid, "Bitbucket Cloud accepts no account passwords").
				With("use an OAuth consumer (--client-key, --client-secret), an access token (--token) or an API token (--email, --api-token)")
		}
	}
	core, err := bitbucket.New(bitbucket.Options{
		API: api, TokenURL: site, Credentials: o.Credentials, Role: o.Role, Connection: o.Connection, Version: o.Version, HTTP: o.HTTP,
		Now: o.Now, Sleep: o.Sleep, NoWait: o.NoWait, OnWait: o.OnWait,
		Spending: o.Spending, Share: o.Share, Interactive: o.Interactive, Allowances: Allowances(o.APIURL, o.Allowance), GroupOf: group,
	})
	if err != nil {
		return nil, err
	}
	return &Client{
		core: core, noPullRequests: o.NoPullRequests, listed: map[string]bool{}, sees: map[string]map[string]bool{},
		sizes: map[string]map[string]int64{}, narrow: map[string]map[string]bool{}, bySlug: map[string]string{},
	}, nil
}

// address completes the URL of the API.
func address(apiURL string) string {
	apiURL = strings.TrimRight(strings.TrimSpace(cmp.Or(apiURL, DefaultAPIURL)), "/")
	if !strings.HasSuffix(apiURL, "/2.0") {
		apiURL += "/2.0"
	}
	return apiURL
}

// Realm names the principals of an API in what is remembered of their spending.
func Realm(apiURL string) (string, error) {
	api, err := bitbucket.ParseOrigin(address(apiURL), true)
	if err != nil {
		return "", err
	}
	return api.Realm(), nil
}

// siteOf returns the web address that belongs to an API address, so that a client secret never goes to the vendor
// when the API is somewhere else.
func siteOf(apiURL string) string {
	if apiURL == DefaultAPIURL {
		return DefaultSiteURL
	}
	return strings.TrimSuffix(strings.TrimSuffix(apiURL, "/2.0"), "/api")
}

// Calls returns how many API requests were sent, retries included and token requests not.
func (c *Client) Calls() int64 { return c.core.Calls() }

// Close closes the connections that are idle.
func (c *Client) Close() { c.core.Close() }

// Budgets returns what every principal has spent in the last hour.
func (c *Client) Budgets() []bitbucket.Budget { return c.core.Budgets() }

// segment returns a path segment for a slug or UUID. UUIDs go in braces, percent-encoded (FACTS 6), so that nothing
// depends on names that may change; nothing known becomes empty braces, which the vendor accepts for a workspace.
func segment(uuid, slug string) string {
	if uuid != "" || slug == "" {
		return "%7B" + uuid + "%7D"
	}
	return url.PathEscape(slug)
}
