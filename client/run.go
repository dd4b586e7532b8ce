package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The states of a run.
const (
	RunRunning     = "running"
	RunComplete    = "complete"
	RunPartial     = "partial"
	RunFailed      = "failed"
	RunInterrupted = "interrupted"
)

// Run is one reading of a connection.
type Run struct {
	ID         int64      `json:"id"`
	Connection string     `json:"connection"`
	Cause      Cause      `json:"cause"`
	Status     string     `json:"status" enum:"running,complete,partial,failed,interrupted"`
	StartedAt  time.Time  `json:"startedAt"`
	EndedAt    *time.Time `json:"endedAt,omitempty"`
	Calls      int64      `json:"calls" doc:"REST calls it took."`
	Summary    *Summary   `json:"summary,omitempty" doc:"What it did, once it has ended."`
	Error      string     `json:"error,omitempty"`
}

// Cause is what made a run or a change happen.
type Cause struct {
	Kind string `json:"kind" doc:"run, delivery or user"`
	ID   string `json:"id,omitempty"`
}

// RunRequest says how a run differs from the plain one.
type RunRequest struct {
	Full           bool   `json:"full,omitempty" doc:"Read everything again, also what an interrupted run had finished."`
	Since          string `json:"since,omitempty" doc:"Only pull requests updated within this time, such as 24h or 30d." example:"30d"`
	ConfirmDeletes string `json:"confirmDeletes,omitempty" doc:"Id of the run whose held closings are confirmed, or all." example:"all"`
	NoWait         bool   `json:"noWait,omitempty" doc:"Save and stop instead of waiting for a spent allowance."`
	Drain          bool   `json:"drain,omitempty" doc:"End only when all pull requests are read, instead of leaving them to the background."`
}

// Summary is what a run did.
type Summary struct {
	Connection string         `json:"connection"`
	Run        int64          `json:"run"`
	Status     string         `json:"status" enum:"running,complete,partial,failed,interrupted"`
	Calls      int64          `json:"calls" doc:"REST calls."`
	Seconds    float64        `json:"seconds"`
	Objects    map[string]int `json:"objects" doc:"Open objects after the run, by type."`
	Changes    Changes        `json:"changes"`
	Hidden     int            `json:"hidden,omitempty" doc:"Closed because no credential sees them any more."`
	Held       int            `json:"held,omitempty" doc:"Closings that wait for a confirmation."`
	Skipped    int            `json:"skipped,omitempty" doc:"Odd objects, kept as far as they could be read."`
	Scopes     []ScopeResult  `json:"scopes"`
	Odd        []string       `json:"odd,omitempty" doc:"The first odd objects, in words."`
	Warnings   []string       `json:"warnings,omitempty" doc:"What a person should look at, such as a credential that was not used."`
}

// Changes counts what happened to entities.
type Changes struct {
	Created int `json:"created"`
	Updated int `json:"updated"`
	Deleted int `json:"deleted"`
}

// ScopeResult is how one listing of a run ended.
type ScopeResult struct {
	Scope  string `json:"scope"`
	Title  string `json:"title,omitempty"`
	Status string `json:"status" enum:"complete,windowed,partial,failed,denied,disabled"`
	Reason string `json:"reason,omitempty"`
}

// Progress tells how far a run is. The last one of a run has Phase "done" and carries the run as it ended.
type Progress struct {
	Phase   string     `json:"phase" doc:"What is being done: listing, pull requests, absences, waiting, done."`
	Scope   string     `json:"scope,omitempty" doc:"What is being read."`
	Done    int        `json:"done,omitempty"`
	Total   int        `json:"total,omitempty" doc:"Absent while unknown."`
	Calls   int64      `json:"calls"`
	Objects int        `json:"objects,omitempty"`
	Waiting *time.Time `json:"waiting,omitempty" doc:"When work goes on, while an allowance is spent."`
	Message string     `json:"message,omitempty"`
	Run     *Run       `json:"run,omitempty" doc:"The run as it ended; only with phase done."`
	Problem *Problem   `json:"problem,omitempty" doc:"Why it failed; only with phase done."`
}

// Held are closings that wait for a confirmation, because too much seemed to be gone at once.
type Held struct {
	ID        int64     `json:"id"`
	Run       int64     `json:"run"`
	Scope     string    `json:"scope"`
	Reason    string    `json:"reason"`
	Count     int       `json:"count"`
	Members   []string  `json:"members" doc:"Keys of the first hundred objects."`
	CreatedAt time.Time `json:"createdAt"`
}

// StartRun starts a run and returns it while it is under way.
func (c *Client) StartRun(ctx context.Context, connection string, r RunRequest) (Run, error) {
	var out Run
	return out, c.call(ctx, http.MethodPost, path("connections", connection, "runs"), nil, r, &out)
}

// Run returns one run.
func (c *Client) Run(ctx context.Context, id int64) (Run, error) {
	var out Run
	return out, c.call(ctx, http.MethodGet, path("runs", strconv.FormatInt(id, 10)), nil, nil, &out)
}

// CancelRun stops a run that is under way; what it has read is kept and the next run goes on from there.
func (c *Client) CancelRun(ctx context.Context, id int64) error {
	return c.call(ctx, http.MethodPost, path("runs", strconv.FormatInt(id, 10), "cancel"), nil, nil, nil)
}

// RunFilter selects runs.
type RunFilter struct {
	Connection string // empty for all
	Limit      int    // 0 for the server's default
	Cursor     string
}

// Runs lists runs, the newest first.
func (c *Client) Runs(ctx context.Context, f RunFilter) (List[Run], error) {
	q := paging(f.Limit, f.Cursor)
	if f.Connection != "" {
		q.Set("connection", f.Connection)
	}
	var out List[Run]
	return out, c.call(ctx, http.MethodGet, path("runs"), q, nil, &out)
}

// Held lists the closings of a connection that wait for a confirmation.
func (c *Client) Held(ctx context.Context, connection string) ([]Held, error) {
	var out List[Held]
	err := c.call(ctx, http.MethodGet, path("connections", connection, "held"), nil, nil, &out)
	return out.Items, err
}

// ConfirmHeld starts a run that goes through with the held closings of an earlier run, as far as they still hold.
func (c *Client) ConfirmHeld(ctx context.Context, connection string, run int64) (Run, error) {
	var out Run
	return out, c.call(ctx, http.MethodPost, path("connections", connection, "held", strconv.FormatInt(run, 10), "confirm"), url.Values{}, nil, &out)
}
