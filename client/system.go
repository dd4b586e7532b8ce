package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// VersionInfo tells which program answers.
type VersionInfo struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Database string `json:"database" enum:"sqlite,postgres"`
}

// Doctor is the state of an installation.
type Doctor struct {
	OK       bool      `json:"ok" doc:"Whether no check failed."`
	Findings []Finding `json:"findings"`
}

// Finding is the outcome of one check.
type Finding struct {
	Check  string `json:"check" doc:"What was looked at."`
	Level  string `json:"level" enum:"ok,info,warning,error"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

// Job is one piece of background work.
type Job struct {
	ID      int64      `json:"id"`
	Kind    string     `json:"kind"`
	Subject string     `json:"subject" doc:"What it works on, such as connection/3/sync."`
	State   string     `json:"state" enum:"waiting,running,retrying,done,canceled,dead"`
	Attempt int        `json:"attempt" doc:"Failures and the attempt under way."`
	Since   time.Time  `json:"since" doc:"When it came into its state."`
	Next    *time.Time `json:"next,omitempty" doc:"When it runs next, while it waits."`
	Error   string     `json:"error,omitempty" doc:"Of the last failed attempt."`
}

// Version returns the version of the server.
func (c *Client) Version(ctx context.Context) (VersionInfo, error) {
	var out VersionInfo
	return out, c.call(ctx, http.MethodGet, path("version"), nil, nil, &out)
}

// Doctor checks the installation.
func (c *Client) Doctor(ctx context.Context) (Doctor, error) {
	var out Doctor
	return out, c.call(ctx, http.MethodGet, path("doctor"), nil, nil, &out)
}

// JobFilter selects jobs.
type JobFilter struct {
	State string // empty for all
	Limit int    // 0 for the server's default
}

// Jobs lists background jobs, the newest first.
func (c *Client) Jobs(ctx context.Context, f JobFilter) ([]Job, error) {
	q := paging(f.Limit, "")
	if f.State != "" {
		q.Set("state", f.State)
	}
	var out List[Job]
	err := c.call(ctx, http.MethodGet, path("jobs"), q, nil, &out)
	return out.Items, err
}

// RetryJob makes a job run again now.
func (c *Client) RetryJob(ctx context.Context, id int64) (Job, error) {
	return c.jobAct(ctx, id, "retry")
}

// CancelJob cancels a job.
func (c *Client) CancelJob(ctx context.Context, id int64) (Job, error) {
	return c.jobAct(ctx, id, "cancel")
}

func (c *Client) jobAct(ctx context.Context, id int64, act string) (Job, error) {
	var out Job
	return out, c.call(ctx, http.MethodPost, path("jobs", strconv.FormatInt(id, 10), act), url.Values{}, nil, &out)
}
