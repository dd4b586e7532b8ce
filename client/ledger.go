package client

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// Scope is one listing of a connection with its newest line of the ledger.
type Scope struct {
	ID            int64      `json:"id"`
	Parent        string     `json:"parent,omitempty" doc:"Key of what is listed under."`
	Listing       string     `json:"listing" doc:"What is listed, such as repositories."`
	Title         string     `json:"title"`
	State         string     `json:"state,omitempty" doc:"complete, windowed, partial, failed, denied or disabled; absent before the first reading."`
	Reason        string     `json:"reason,omitempty"`
	Since         *time.Time `json:"since,omitempty" doc:"Since when it has been in this state."`
	LastComplete  *time.Time `json:"lastComplete,omitempty"`
	FirstComplete *time.Time `json:"firstComplete,omitempty"`
	Calls         int64      `json:"calls"`
	Members       int        `json:"members" doc:"Objects that are known in it."`
}

// LedgerRow is a stretch of time in which a listing stayed in one state for one reason: evidence of how well what it
// holds was known.
type LedgerRow struct {
	State      string     `json:"state" enum:"complete,windowed,partial,failed,denied,disabled"`
	Reason     string     `json:"reason,omitempty"`
	Since      time.Time  `json:"since" doc:"End of the first reading that ended so."`
	Until      time.Time  `json:"until" doc:"End of the last reading that ended so."`
	FirstRun   int64      `json:"firstRun"`
	LastRun    int64      `json:"lastRun"`
	Calls      int64      `json:"calls" doc:"REST calls of the last reading."`
	WindowFrom *time.Time `json:"windowFrom,omitempty" doc:"What was updated before it was not read; only where windowed."`
	WindowTo   *time.Time `json:"windowTo,omitempty"`
}

// Ledger is one listing with its states over time, the newest first.
type Ledger struct {
	Scope Scope       `json:"scope"`
	Rows  []LedgerRow `json:"rows"`
}

// Completeness is how well everything is known that a connection reads, by the ledger.
type Completeness struct {
	Connection    string          `json:"connection"`
	Listings      []ListingTotals `json:"listings" doc:"By kind of listing."`
	NeverComplete []ScopeGroup    `json:"neverComplete" doc:"Listings that have never been read to their end, those alike as one; switched-off ones are left out."`
	Denied        []ScopeGroup    `json:"denied" doc:"Listings that no credential may read, those alike as one."`
}

// ListingTotals is how well one kind of listing is known.
type ListingTotals struct {
	Listing       string     `json:"listing" doc:"What is listed, such as repositories."`
	Scopes        int        `json:"scopes" doc:"How many such listings there are."`
	Complete      int        `json:"complete"`
	Windowed      int        `json:"windowed"`
	Partial       int        `json:"partial"`
	Failed        int        `json:"failed"`
	Denied        int        `json:"denied"`
	Disabled      int        `json:"disabled"`
	Unread        int        `json:"unread" doc:"Those whose turn has not come yet."`
	NeverComplete int        `json:"neverComplete" doc:"Those that have never been read to their end, switched-off ones left out."`
	NeverRead     int        `json:"neverRead" doc:"Those of them that have not been read to the end of a window either."`
	Oldest        *time.Time `json:"oldest,omitempty" doc:"The longest time ago that one of them was read to its end, or to that of its window; switched-off ones left out."`
	AtMost        int64      `json:"atMostSeconds,omitempty" doc:"Age that none exceeds while runs are on time; absent where no interval is set."`
	Overdue       bool       `json:"overdue,omitempty" doc:"Whether one of them is older than that."`
}

// ScopeGroup is a number of listings of one kind in the same state for the same reason.
type ScopeGroup struct {
	Listing string   `json:"listing"`
	Of      string   `json:"of,omitempty" doc:"Type of what is listed under, such as bitbucket_repo."`
	State   string   `json:"state,omitempty" doc:"Absent before the first reading."`
	Reason  string   `json:"reason,omitempty" doc:"That of the first one."`
	Needs   string   `json:"needs,omitempty" doc:"Which right is missing."`
	Count   int      `json:"count"`
	Titles  []string `json:"titles" doc:"Of the first five."`
}

// What names the listings of a group in words: its title, or such as "user-permissions of 1,480 repositories".
func (g ScopeGroup) What() string {
	if g.Count == 1 && len(g.Titles) == 1 {
		return g.Titles[0]
	}
	places := map[string]string{
		"bitbucket_repo": "repositories", "bitbucket_project": "projects", "bitbucket_workspace": "workspaces",
		"bitbucket_instance": "instances", "bitbucket_group": "groups",
	}
	what, ok := places[g.Of]
	if !ok {
		what = "places"
	}
	count := strconv.Itoa(g.Count)
	for i := len(count) - 3; i > 0; i -= 3 {
		count = count[:i] + "," + count[i:]
	}
	return g.Listing + " of " + count + " " + what
}

// ScopeFilter selects listings of a connection.
type ScopeFilter struct {
	State         string // empty for all
	Listing       string // such as user-permissions; empty for all
	NeverComplete bool   // only those that have never been read to their end
	Limit         int    // 0 for the server's default
	Cursor        string
}

// Scopes lists what a connection reads and how well, from the ledger.
func (c *Client) Scopes(ctx context.Context, connection string, f ScopeFilter) (List[Scope], error) {
	q := paging(f.Limit, f.Cursor)
	for name, value := range map[string]string{"state": f.State, "listing": f.Listing} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.NeverComplete {
		q.Set("neverComplete", "true")
	}
	var out List[Scope]
	return out, c.call(ctx, http.MethodGet, path("connections", connection, "scopes"), q, nil, &out)
}

// Completeness says how well everything is known that a connection reads.
func (c *Client) Completeness(ctx context.Context, connection string) (Completeness, error) {
	var out Completeness
	return out, c.call(ctx, http.MethodGet, path("connections", connection, "completeness"), nil, nil, &out)
}

// Ledger returns the states of one listing over time. The scope is named by its id, its title, or parent and listing
// as summaries print them.
func (c *Client) Ledger(ctx context.Context, connection, scope string) (Ledger, error) {
	var out Ledger
	return out, c.call(ctx, http.MethodGet, path("connections", connection, "scopes", scope, "ledger"), nil, nil, &out)
}
