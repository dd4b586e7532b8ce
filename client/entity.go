package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Entity is one thing of the graph.
type Entity struct {
	Key        string         `json:"key"`
	Type       string         `json:"type"`
	Classes    []string       `json:"classes"`
	Name       string         `json:"displayName"`
	Properties map[string]any `json:"properties" doc:"Times are milliseconds since the epoch."`
	Home       string         `json:"home,omitempty" doc:"Key of what it dies with."`
	Source     string         `json:"source" doc:"provider, derived, imported, catalog or manual"`
	Version    int64          `json:"version"`
	ValidFrom  time.Time      `json:"validFrom" doc:"Since when this version holds, by the observation of this Windlass."`
	Accounts   []string       `json:"accounts" doc:"Account names of the connections that see it."`
	Warnings   []string       `json:"warnings,omitempty" doc:"What may be missing, as of a past moment."`
}

// Version is one version of an entity.
type Version struct {
	Version    int64          `json:"version"`
	ValidFrom  time.Time      `json:"validFrom"`
	ValidTo    *time.Time     `json:"validTo,omitempty" doc:"Absent for the version that holds now."`
	Reason     string         `json:"reason,omitempty" doc:"Why it ended: updated, deleted, not_visible or withdrawn."`
	Cause      string         `json:"cause,omitempty" doc:"What ended it, such as run/17."`
	Name       string         `json:"displayName"`
	Properties map[string]any `json:"properties"`
}

// History is every version of an entity that is kept, the oldest first.
type History struct {
	Items []Version  `json:"items"`
	From  *time.Time `json:"from,omitempty" doc:"Versions that ended before this moment were purged; absent where none were."`
}

// Entity returns an entity by its key, now or as of a past moment (empty for now).
func (c *Client) Entity(ctx context.Context, key, at string) (Entity, error) {
	q := url.Values{}
	if at != "" {
		q.Set("at", at)
	}
	var out Entity
	return out, c.call(ctx, http.MethodGet, path("entities", key), q, nil, &out)
}

// History returns every version of an entity that is kept, the oldest first.
func (c *Client) History(ctx context.Context, key string) (History, error) {
	var out History
	return out, c.call(ctx, http.MethodGet, path("entities", key, "history"), nil, nil, &out)
}
