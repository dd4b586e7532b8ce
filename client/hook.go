package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Hook is a webhook that delivers to this installation, without its secret.
type Hook struct {
	ID         string          `json:"id" doc:"The last segment of its URL."`
	Connection string          `json:"connection"`
	Place      string          `json:"place" doc:"The workspace, project or repository that it was made for."`
	PlaceType  string          `json:"placeType" doc:"Type of the place in the graph, such as bitbucket_project."`
	PlaceKey   string          `json:"placeKey" doc:"Key of the place in the graph."`
	RemoteID   string          `json:"remoteId,omitempty" doc:"Its id in Bitbucket, where Windlass made it."`
	URL        string          `json:"url"`
	MadeBy     string          `json:"madeBy" enum:"windlass,hand"`
	Mode       string          `json:"mode" enum:"signed,unsigned" doc:"What is unsigned is only a doorbell: what it names is read, and nothing that it says is believed."`
	Health     string          `json:"health" enum:"delivers,waiting,silent,trouble,left" doc:"delivers: a signed delivery came within the last week. waiting: none has come yet. silent: none came for a week, since nothing happened or since it does not work. trouble: it could not be made or repaired. left: its place is not read any more, and it could not be deleted."`
	Trouble    string          `json:"trouble,omitempty" doc:"What is wrong with it."`
	Events     []string        `json:"events" doc:"Keys of the events that it is for."`
	CreatedAt  time.Time       `json:"createdAt"`
	VerifiedAt *time.Time      `json:"verifiedAt,omitempty" doc:"When a signed delivery came last, to the minute."`
	CheckedAt  *time.Time      `json:"checkedAt,omitempty" doc:"When it was looked for in Bitbucket last."`
	Delay      *float64        `json:"delaySeconds,omitempty" doc:"Median time between what happened, by Bitbucket's clock, and its delivery, of the last three deliveries that tell."`
	Statistics *HookStatistics `json:"statistics,omitempty" doc:"What a Data Center tells of it, where it was asked."`
}

// HookStatistics is what a Data Center tells about the deliveries of one webhook.
type HookStatistics struct {
	Successes   int        `json:"successes"`
	Failures    int        `json:"failures" doc:"Answers that were none of success."`
	Errors      int        `json:"errors" doc:"Deliveries without an answer."`
	LastSuccess *time.Time `json:"lastSuccess,omitempty"`
	LastFailure *time.Time `json:"lastFailure,omitempty"`
	LastFault   string     `json:"lastFault,omitempty" doc:"Why the last one failed."`
	Circuit     string     `json:"circuit" enum:"closed,failing,open" doc:"State of the circuit breaker as far as the numbers tell: open, deliveries are skipped for a time."`
}

// Hooks are webhooks, with what to do where they are slow or fail.
type Hooks struct {
	Items  []Hook   `json:"items"`
	Advice []string `json:"advice,omitempty"`
}

// HookWish says how webhooks are to be made.
type HookWish struct {
	ByHand bool `json:"byHand,omitempty" doc:"A person makes them in Bitbucket: nothing is changed there, and the answer has what to enter."`
	Rotate bool `json:"rotate,omitempty" doc:"Give each another secret. The old one is accepted for an hour, or for a day where a person enters the new one."`
}

// HookOutcome is what became of the webhook of one place.
type HookOutcome struct {
	Place     string   `json:"place"`
	PlaceType string   `json:"placeType,omitempty"`
	Hook      string   `json:"hook,omitempty" doc:"Its id here: the last segment of its URL."`
	RemoteID  string   `json:"remoteId,omitempty" doc:"Its id in Bitbucket."`
	Did       string   `json:"did" enum:"made,found,repaired,by hand,failed,removed,left behind"`
	Reason    string   `json:"reason,omitempty" doc:"Why it failed or was left behind, or what a person has to do."`
	URL       string   `json:"url,omitempty" doc:"What a person enters; only of webhooks that are made by hand."`
	Secret    string   `json:"secret,omitempty" doc:"What a person enters. It is answered this once only."`
	Events    []string `json:"events,omitempty" doc:"What a person ticks."`
}

// HookOutcomes is what became of the webhooks of a connection.
type HookOutcomes struct {
	Items  []HookOutcome `json:"items"`
	Advice []string      `json:"advice,omitempty" doc:"What is not covered, and what to look at."`
}

// HookProgress tells how far making or removing webhooks is.
type HookProgress struct {
	Done    int        `json:"done"`
	Total   int        `json:"total,omitempty" doc:"Absent while unknown."`
	Place   string     `json:"place,omitempty"`
	Waiting *time.Time `json:"waiting,omitempty" doc:"When work goes on, while an allowance is spent."`
	Message string     `json:"message,omitempty"`
}

// HookPiece is one line of the answer while webhooks are made or removed. The last one has End, Problem, or both; a
// stream that ends otherwise was cut off.
type HookPiece struct {
	Progress *HookProgress `json:"progress,omitempty"`
	End      *HookOutcomes `json:"end,omitempty"`
	Problem  *Problem      `json:"problem,omitempty"`
}

// Refusals are requests to webhooks that the server refused since it started.
type Refusals struct {
	Counts map[string]int64 `json:"counts" doc:"How many, by reason."`
	Last   []Refusal        `json:"last" doc:"The last hundred, the newest first."`
}

// Refusal is one refused request. Nothing of its body is kept.
type Refusal struct {
	At     time.Time `json:"at"`
	Remote string    `json:"remote" doc:"Address that it came from."`
	Hook   string    `json:"hook" doc:"Beginning of the id that it asked for."`
	Event  string    `json:"event,omitempty"`
	Size   int64     `json:"size" doc:"As it was announced; -1 where it was not."`
	Status int       `json:"status"`
	Why    string    `json:"why"`
}

// HookFilter selects webhooks.
type HookFilter struct {
	Connection string // empty for all
	Statistics bool   // ask each Data Center for those of each webhook
}

// Hooks lists webhooks and how they are.
func (c *Client) Hooks(ctx context.Context, f HookFilter) (Hooks, error) {
	q := url.Values{}
	if f.Connection != "" {
		q.Set("connection", f.Connection)
	}
	if f.Statistics {
		q.Set("statistics", "true")
	}
	var out Hooks
	return out, c.call(ctx, http.MethodGet, path("hooks"), q, nil, &out)
}

// RefusedDeliveries tells which requests to webhooks the server refused.
func (c *Client) RefusedDeliveries(ctx context.Context) (Refusals, error) {
	var out Refusals
	return out, c.call(ctx, http.MethodGet, path("hooks", "refused"), nil, nil, &out)
}

// EnsureHooks makes the webhooks of a connection as they should be. One place that fails stops no other. Where an error
// ends it, what was done until then is returned beside it.
func (c *Client) EnsureHooks(ctx context.Context, connection string, w HookWish, f func(HookProgress)) (HookOutcomes, error) {
	return c.hookWork(ctx, path("connections", connection, "hooks", "ensure"), w, f)
}

// RemoveHooks deletes the webhooks of a connection in Bitbucket and forgets them. Those that cannot be deleted are
// forgotten too, and told as left behind.
func (c *Client) RemoveHooks(ctx context.Context, connection string, f func(HookProgress)) (HookOutcomes, error) {
	return c.hookWork(ctx, path("connections", connection, "hooks", "remove"), nil, f)
}

func (c *Client) hookWork(ctx context.Context, path string, in any, f func(HookProgress)) (HookOutcomes, error) {
	res, err := c.send(ctx, http.MethodPost, path, nil, in, nil)
	if err != nil {
		return HookOutcomes{}, err
	}
	defer res.Body.Close()
	lines := bufio.NewReaderSize(res.Body, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			if ctx.Err() != nil {
				return HookOutcomes{}, ctx.Err()
			}
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return HookOutcomes{}, &Error{Code: "unavailable", Title: "Answer cut off", Detail: "the answer broke off before its end", Err: err, Remedy: "do it again: what is done is found"}
		}
		var p HookPiece
		if err := json.Unmarshal(line, &p); err != nil {
			return HookOutcomes{}, fmt.Errorf("a line of the answer is no JSON: %w", err)
		}
		var out HookOutcomes
		if p.End != nil {
			out = *p.End
		}
		switch {
		case p.Problem != nil:
			return out, p.Problem.asError()
		case p.End != nil:
			return out, nil
		case p.Progress != nil:
			f(*p.Progress)
		}
	}
}
