package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Connection is one account on one Bitbucket.
type Connection struct {
	Name           string            `json:"name" doc:"Unique name."`
	Product        string            `json:"product" enum:"cloud,datacenter" doc:"Which Bitbucket it is."`
	AccountName    string            `json:"accountName" doc:"What tag.AccountName shows on everything this connection sees."`
	TagAccountName bool              `json:"tagAccountName" doc:"Whether tag.AccountName is shown."`
	Description    string            `json:"description,omitempty"`
	Interval       string            `json:"interval" doc:"How often it is read: disabled, a duration such as 1h or 7d, or a cron expression."`
	Settings       map[string]string `json:"settings" doc:"Options such as workspaces, api-url and pull-requests, by name."`
	CreatedAt      time.Time         `json:"createdAt"`
	UpdatedAt      time.Time         `json:"updatedAt"`
	LastRun        *Run              `json:"lastRun,omitempty" doc:"The newest run, if there was one."`
}

// NewConnection is what it takes to make a connection.
type NewConnection struct {
	Name           string            `json:"name" minLength:"1" maxLength:"100" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" doc:"Unique name: letters, digits, dots, dashes and underscores."`
	Product        string            `json:"product" enum:"cloud,datacenter" doc:"Which Bitbucket it is."`
	AccountName    string            `json:"accountName,omitempty" maxLength:"200" doc:"Value of tag.AccountName; the name where it is empty."`
	TagAccountName bool              `json:"tagAccountName,omitempty" doc:"Whether to show tag.AccountName."`
	Description    string            `json:"description,omitempty" maxLength:"2000"`
	Interval       string            `json:"interval,omitempty" doc:"How often it is read: disabled, a duration such as 1h or 7d, or a cron expression. 1h where it is empty."`
	Settings       map[string]string `json:"settings,omitempty" doc:"Options by name."`
	Credentials    []NewCredential   `json:"credentials" minItems:"1" maxItems:"50"`
	NoPreflight    bool              `json:"noPreflight,omitempty" doc:"Do not find out how many calls a first read takes."`
}

// ConnectionUpdate changes what is set; absent members stay as they are.
type ConnectionUpdate struct {
	AccountName    *string           `json:"accountName,omitempty" maxLength:"200"`
	TagAccountName *bool             `json:"tagAccountName,omitempty"`
	Description    *string           `json:"description,omitempty" maxLength:"2000"`
	Interval       *string           `json:"interval,omitempty"`
	Settings       map[string]string `json:"settings,omitempty" doc:"Options to set; an empty value removes one."`
	Unchecked      bool              `json:"unchecked,omitempty" doc:"Store options that say where to read or what without trying them."`
}

// NewCredential is a credential with its secret, on the way in only.
type NewCredential struct {
	Role     string `json:"role,omitempty" enum:",data,access,hooks,write" doc:"What it is for; empty for everything it can do."`
	Kind     string `json:"kind" enum:"oauth,token,api-token,basic"`
	Identity string `json:"identity,omitempty" maxLength:"500" doc:"Client key, e-mail address or user name; empty for a token."`
	Secret   string `json:"secret" minLength:"1" maxLength:"20000" writeOnly:"true" doc:"Never answered again."`
}

// Credential is a stored credential without its secret.
type Credential struct {
	ID        int64            `json:"id"`
	Role      string           `json:"role,omitempty" doc:"What it is for; empty for everything it can do."`
	Kind      string           `json:"kind"`
	Identity  string           `json:"identity,omitempty" doc:"Client key, e-mail address or user name; of a token its fingerprint, as messages name it."`
	CreatedAt time.Time        `json:"createdAt"`
	ExpiresAt *time.Time       `json:"expiresAt,omitempty"`
	CheckedAt *time.Time       `json:"checkedAt,omitempty"`
	Verdict   *CredentialCheck `json:"verdict,omitempty" doc:"What the last check found."`
}

// ConnectionDetail is a connection with everything that is kept about it.
type ConnectionDetail struct {
	Connection
	Credentials []Credential   `json:"credentials"`
	Objects     map[string]int `json:"objects" doc:"Open objects by type."`
	Scopes      map[string]int `json:"scopes" doc:"Listings by state."`
	Held        int            `json:"held" doc:"Closings that wait for a confirmation."`
	Budgets     []Budget       `json:"budgets" doc:"What each principal has spent in the last hour, by all processes."`
	Staleness   []Staleness    `json:"staleness" doc:"How old what is known can be, by kind of listing."`
}

// Budget is what one principal has spent of its allowance for one group of resources.
type Budget struct {
	Principal  string     `json:"principal" doc:"Who Bitbucket counts the calls of."`
	Name       string     `json:"name,omitempty" doc:"The credential, as messages call it."`
	Group      string     `json:"group" doc:"Which calls are counted together."`
	Spent      int        `json:"spent" doc:"Calls of the last rolling hour."`
	Allowance  int        `json:"allowance,omitempty" doc:"Calls that Bitbucket grants in an hour; absent where it counts otherwise."`
	Share      int        `json:"share,omitempty" doc:"Calls of them that Windlass takes; the rest is left to others."`
	RestsUntil *time.Time `json:"restsUntil,omitempty" doc:"When it is used again, while its allowance is spent."`
}

// Staleness is how old what is known of one kind of listing can be.
type Staleness struct {
	Listing  string     `json:"listing" doc:"What is listed, such as repositories."`
	Listings int        `json:"listings" doc:"How many such listings there are."`
	Unread   int        `json:"unread" doc:"Those that have never been read to their end."`
	Oldest   *time.Time `json:"oldest,omitempty" doc:"The longest time ago that one of them was read to its end."`
	AtMost   int64      `json:"atMostSeconds,omitempty" doc:"Age that none exceeds while runs are on time: the interval and what a run takes. Absent where no interval is set."`
	Overdue  bool       `json:"overdue,omitempty" doc:"Whether one of them is older than that."`
}

// Check is what a live test of a connection found.
type Check struct {
	OK          bool              `json:"ok" doc:"Whether everything that is wanted can be read."`
	Instance    *InstanceCheck    `json:"instance,omitempty" doc:"Which Data Center answers."`
	Credentials []CredentialCheck `json:"credentials"`
	Workspaces  []WorkspaceCheck  `json:"workspaces" doc:"Workspaces of Cloud, or projects of Data Center, that the connection names."`
	Rights      []RightCheck      `json:"rights" doc:"Which right each feature needs and whether it is there."`
	Preflight   *Preflight        `json:"preflight,omitempty" doc:"What a first full read takes."`
	Advice      []string          `json:"advice,omitempty"`
	Warnings    []string          `json:"warnings,omitempty"`
}

// InstanceCheck is which Data Center answers.
type InstanceCheck struct {
	URL     string   `json:"url" doc:"Its address, reduced to what is needed."`
	Version string   `json:"version,omitempty"`
	ID      string   `json:"id,omitempty" doc:"What Windlass calls it in keys; two connections to one instance share it."`
	Same    []string `json:"same,omitempty" doc:"Other connections to the same URL."`
	Like    string   `json:"like,omitempty" doc:"A connection under another URL whose instance has the projects that this one sees."`
}

// RightCheck is which right one feature needs and whether it is there.
type RightCheck struct {
	Feature string   `json:"feature"`
	What    string   `json:"what" doc:"The feature in words."`
	Role    string   `json:"role" doc:"Role of the credentials that do it."`
	Used    bool     `json:"used" doc:"Whether this connection uses it now; the others are for later versions, or switched off."`
	Off     bool     `json:"off,omitempty" doc:"Switched off by an option of the connection."`
	Have    string   `json:"have" enum:"yes,no,unknown,never" doc:"never: no credential of these kinds can have it. unknown: Bitbucket does not tell beforehand."`
	Needs   []string `json:"needs" doc:"What it takes, for each kind of credential that there is."`
	Missing []string `json:"missing,omitempty" doc:"What is lacking, where that is known."`
	Note    string   `json:"note,omitempty"`
}

// Preflight is what a first full read takes.
type Preflight struct {
	Projects              int     `json:"projects"`
	Users                 int     `json:"users"`
	Repositories          int     `json:"repositories"`
	AtLeast               bool    `json:"atLeast,omitempty" doc:"There are more repositories than were counted."`
	PullRequests          int     `json:"pullRequests"`
	PullRequestsEstimated bool    `json:"pullRequestsEstimated,omitempty" doc:"Scaled up from some of the repositories."`
	PullRequestsUnknown   bool    `json:"pullRequestsUnknown,omitempty" doc:"None could be counted."`
	GitBytes              int64   `json:"gitBytes,omitempty" doc:"Size of all git repositories, where Bitbucket tells."`
	Calls                 int     `json:"calls" doc:"REST calls of the first full read."`
	SettingsCalls         int     `json:"settingsCalls" doc:"REST calls a week that reading what administrators set takes beside it, in rotation."`
	Principals            int     `json:"principals" doc:"Principals among the credentials; each has an allowance of its own."`
	CallsPerHour          int     `json:"callsPerHour" doc:"What Windlass may take of all allowances in an hour; on Data Center, what the rate lets through."`
	CallsPerSecond        float64 `json:"callsPerSecond,omitempty" doc:"Rate at which a Data Center is asked at most; absent on Cloud, which counts by the hour."`
	Hours                 float64 `json:"hours" doc:"The calls divided by those of an hour. On Cloud, what is above 1 is waited for; on Data Center it is how long it takes at least."`
	PeerFormula           string  `json:"peerFormula" doc:"How many calls a client with small pages and calls per object makes."`
	PeerCalls             int     `json:"peerCalls"`
	PeerHours             float64 `json:"peerHours"`
}

// CredentialCheck is what one credential can do and what it lacks.
type CredentialCheck struct {
	Name      string   `json:"name" doc:"Which credential it is, without its secret."`
	Kind      string   `json:"kind,omitempty"`
	Valid     bool     `json:"valid" doc:"Whether Bitbucket accepts it."`
	Principal string   `json:"principal,omitempty" doc:"Who Bitbucket says it is; one principal has one allowance."`
	Scopes    []string `json:"scopes,omitempty" doc:"What it is granted, where Bitbucket says so."`
	Missing   []string `json:"missing,omitempty" doc:"What it lacks for what is wanted, by name."`
	Problem   string   `json:"problem,omitempty"`
	Remedy    string   `json:"remedy,omitempty"`
}

// WorkspaceCheck is whether one workspace can be read.
type WorkspaceCheck struct {
	Slug    string   `json:"slug"`
	Name    string   `json:"name,omitempty"`
	Found   bool     `json:"found"`
	Near    []string `json:"near,omitempty" doc:"Workspaces of similar names that can be read."`
	Problem string   `json:"problem,omitempty"`
}

// Connected is a connection just made, with what its check found.
type Connected struct {
	Connection Connection `json:"connection"`
	Check      Check      `json:"check"`
}

// Removal says what removing a connection closes and what stays.
type Removal struct {
	Connection  string         `json:"connection"`
	Closes      map[string]int `json:"closes" doc:"Objects that only this connection sees, by type. They close; their history stays."`
	Stays       map[string]int `json:"stays" doc:"Objects that another connection sees too, by type."`
	Credentials int            `json:"credentials" doc:"Stored credentials that are deleted."`
	Runs        int            `json:"runs" doc:"Runs that stay, with their ledger, as evidence."`
	Hooks       int            `json:"hooks" doc:"Webhooks that are deleted in Bitbucket."`
}

// Removed says what the removal of a connection could not take along.
type Removed struct {
	LeftBehind []HookOutcome `json:"leftBehind" doc:"Webhooks that are still in Bitbucket and deliver to nobody: delete them there."`
}

// Connections lists all connections.
func (c *Client) Connections(ctx context.Context) ([]Connection, error) {
	var out List[Connection]
	err := c.call(ctx, http.MethodGet, path("connections"), nil, nil, &out)
	return out.Items, err
}

// Connection returns one connection.
func (c *Client) Connection(ctx context.Context, name string) (ConnectionDetail, error) {
	var out ConnectionDetail
	return out, c.call(ctx, http.MethodGet, path("connections", name), nil, nil, &out)
}

// Connect makes a connection after a live check of its credentials. It fails with code conflict when the name is taken.
func (c *Client) Connect(ctx context.Context, n NewConnection) (Connected, error) {
	var out Connected
	return out, c.call(ctx, http.MethodPost, path("connections"), nil, n, &out)
}

// Preflight checks a connection live as Connect does, and stores nothing.
func (c *Client) Preflight(ctx context.Context, n NewConnection) (Check, error) {
	var out Check
	return out, c.call(ctx, http.MethodPost, path("preflight"), nil, n, &out)
}

// UpdateConnection changes a connection.
func (c *Client) UpdateConnection(ctx context.Context, name string, u ConnectionUpdate) (Connection, error) {
	var out Connection
	return out, c.call(ctx, http.MethodPatch, path("connections", name), nil, u, &out)
}

// TestConnection checks the credentials of a connection live.
func (c *Client) TestConnection(ctx context.Context, name string) (Check, error) {
	var out Check
	return out, c.call(ctx, http.MethodPost, path("connections", name, "test"), nil, nil, &out)
}

// PreviewRemoval says what RemoveConnection would do.
func (c *Client) PreviewRemoval(ctx context.Context, name string) (Removal, error) {
	var out Removal
	return out, c.call(ctx, http.MethodGet, path("connections", name, "removal"), nil, nil, &out)
}

// RemoveConnection removes a connection, its webhooks and credentials and what only it sees.
func (c *Client) RemoveConnection(ctx context.Context, name string) (Removed, error) {
	var out Removed
	return out, c.call(ctx, http.MethodDelete, path("connections", name), nil, nil, &out)
}

// Credentials lists the credentials of a connection.
func (c *Client) Credentials(ctx context.Context, connection string) ([]Credential, error) {
	var out List[Credential]
	err := c.call(ctx, http.MethodGet, path("connections", connection, "credentials"), nil, nil, &out)
	return out.Items, err
}

// AddCredential adds a credential to a connection after a live check.
func (c *Client) AddCredential(ctx context.Context, connection string, n NewCredential) (Credential, error) {
	var out Credential
	return out, c.call(ctx, http.MethodPost, path("connections", connection, "credentials"), nil, n, &out)
}

// RemoveCredential removes a credential of a connection.
func (c *Client) RemoveCredential(ctx context.Context, connection string, id int64) error {
	return c.call(ctx, http.MethodDelete, path("connections", connection, "credentials", strconv.FormatInt(id, 10)), nil, nil, nil)
}

// List is a page of a listing.
type List[T any] struct {
	Items  []T    `json:"items"`
	Cursor string `json:"cursor,omitempty" doc:"Pass it as cursor to get the next page; absent on the last one."`
}

func paging(limit int, cursor string) url.Values {
	q := url.Values{}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	return q
}
