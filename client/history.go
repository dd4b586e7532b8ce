package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Retention is how far back history goes.
type Retention struct {
	Kept      string     `json:"kept" doc:"The setting history-retention." example:"25mo"`
	Before    *time.Time `json:"before,omitempty" doc:"What ended before this moment is purged by the next purge; absent where history is kept forever."`
	From      *time.Time `json:"from,omitempty" doc:"Before this moment history is incomplete, since it was purged; absent where it never was."`
	LastPurge *Purged    `json:"lastPurge,omitempty" doc:"What the newest purge removed."`
}

// PurgeRequest says what to purge.
type PurgeRequest struct {
	Before string `json:"before,omitempty" doc:"Versions that ended before this moment go: RFC 3339, a date, or a time ago such as 900d. By the setting history-retention where absent; never anything newer than that."`
	DryRun bool   `json:"dryRun,omitempty" doc:"Count what would go and remove nothing."`
}

// Purged counts what a purge removed, or would remove.
type Purged struct {
	At            time.Time      `json:"at"`
	Before        time.Time      `json:"before" doc:"What ended before this moment goes."`
	DryRun        bool           `json:"dryRun,omitempty"`
	Unfinished    bool           `json:"unfinished,omitempty" doc:"There is more to remove; ask again."`
	Versions      int            `json:"versions" doc:"Earlier versions of entities."`
	Types         map[string]int `json:"types,omitempty" doc:"Those versions by type; only of a dry run."`
	Relationships int            `json:"relationships" doc:"Earlier versions of relationships."`
	Changes       int            `json:"changes" doc:"Entries of the change log."`
	Objects       int            `json:"objects" doc:"Provider objects of entities of which nothing is left; not counted by a dry run."`
	Held          int            `json:"held" doc:"Rows old enough that holds keep; not counted by a dry run."`
	HeldAll       bool           `json:"heldAll,omitempty" doc:"A hold keeps everything, so nothing was looked at."`
	AtMost        bool           `json:"atMost,omitempty" doc:"Of a dry run: holds are in force, which keep some or all of what is counted."`
}

// Hold keeps history from being purged.
type Hold struct {
	Name       string     `json:"name"`
	Reason     string     `json:"reason"`
	For        string     `json:"for,omitempty" doc:"Key of the entity whose history, and that of everything in it, is kept; absent for everything."`
	CreatedAt  time.Time  `json:"createdAt"`
	ReleasedAt *time.Time `json:"releasedAt,omitempty" doc:"Absent while it is in force."`
}

// NewHold is what it takes to hold history.
type NewHold struct {
	Name   string `json:"name" minLength:"1" maxLength:"200"`
	Reason string `json:"reason" minLength:"1" maxLength:"2000" doc:"Why, for whoever wonders later."`
	For    string `json:"for,omitempty" maxLength:"2000" doc:"Key of the entity whose history, and that of everything in it, is kept; everything where absent."`
}

// Retention says how far back history goes.
func (c *Client) Retention(ctx context.Context) (Retention, error) {
	var out Retention
	return out, c.call(ctx, http.MethodGet, path("history"), nil, nil, &out)
}

// Purge removes history that is older than it is kept. Where the answer is unfinished, ask again.
func (c *Client) Purge(ctx context.Context, r PurgeRequest) (Purged, error) {
	var out Purged
	return out, c.call(ctx, http.MethodPost, path("history", "purge"), nil, r, &out)
}

// Holds lists what keeps history from being purged, released ones included.
func (c *Client) Holds(ctx context.Context) ([]Hold, error) {
	var out List[Hold]
	err := c.call(ctx, http.MethodGet, path("holds"), nil, nil, &out)
	return out.Items, err
}

// AddHold keeps history from being purged, from now on.
func (c *Client) AddHold(ctx context.Context, h NewHold) (Hold, error) {
	var out Hold
	return out, c.call(ctx, http.MethodPost, path("holds"), nil, h, &out)
}

// ReleaseHold ends a hold; that there was one stays known.
func (c *Client) ReleaseHold(ctx context.Context, name string) (Hold, error) {
	var out Hold
	return out, c.call(ctx, http.MethodPost, path("holds", name, "release"), url.Values{}, nil, &out)
}
