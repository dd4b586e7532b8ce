package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Query is one question in J1QL.
type Query struct {
	Query  string `json:"query" minLength:"1" maxLength:"100000" doc:"The question." example:"FIND bitbucket_repo WITH public = true"`
	At     string `json:"at,omitempty" doc:"Past moment to ask about: RFC 3339, a date, or a duration ago such as 7d."`
	Limit  int    `json:"limit,omitempty" minimum:"1" maximum:"1000" doc:"Rows of a page; 250 where absent. The stream has no limit."`
	Cursor string `json:"cursor,omitempty" doc:"Cursor of the page before. All pages show the graph as of the first one."`
}

// Answer is one page of an answer. A row is an object: with RETURN keyed by column name, else an entity with _key,
// _type, _class, displayName and its properties.
type Answer struct {
	Columns  []string   `json:"columns" doc:"Names of the columns in order."`
	Open     bool       `json:"open,omitempty" doc:"Rows bring further columns of their own: whole entities do."`
	Rows     []Row      `json:"rows"`
	Warnings []string   `json:"warnings,omitempty" doc:"Such as names that the graph has never heard of."`
	At       *time.Time `json:"at,omitempty" doc:"The moment the answer shows, when it is not now."`
	Cursor   string     `json:"cursor,omitempty" doc:"Pass it to get the next page; absent on the last one."`
}

// Row is one row of an answer, by column name.
type Row map[string]any

// Piece is one line of a streamed answer. The first holds Columns; then one line per row; the last holds End or
// Problem. A stream that ends otherwise was cut off.
type Piece struct {
	Columns []string        `json:"columns,omitempty"`
	Open    bool            `json:"open,omitempty" doc:"Rows bring further columns of their own."`
	Row     json.RawMessage `json:"row,omitempty"`
	End     *End            `json:"end,omitempty"`
	Problem *Problem        `json:"problem,omitempty"`
}

// End closes a streamed answer.
type End struct {
	Rows     int        `json:"rows"`
	Seconds  float64    `json:"seconds"`
	Warnings []string   `json:"warnings,omitempty"`
	At       *time.Time `json:"at,omitempty" doc:"The moment the answer shows, when it is not now."`
}

// QueryPage answers a question page by page.
func (c *Client) QueryPage(ctx context.Context, q Query) (Answer, error) {
	var out Answer
	return out, c.call(ctx, http.MethodPost, path("query"), nil, q, &out)
}

// Stream answers a question without a limit. The header comes once, before the first row; each row is a JSON object
// that is valid during the call only.
func (c *Client) Stream(ctx context.Context, q Query, header func(Piece) error, row func(json.RawMessage) error) (End, error) {
	res, err := c.send(ctx, http.MethodPost, path("query", "stream"), nil, q, nil)
	if err != nil {
		return End{}, err
	}
	defer res.Body.Close()
	lines := bufio.NewReaderSize(res.Body, 64<<10)
	for first := true; ; first = false {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			if ctx.Err() != nil {
				return End{}, ctx.Err()
			}
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return End{}, &Error{Code: "unavailable", Title: "Answer cut off", Detail: "the answer broke off before its end", Err: err, Remedy: "ask again"}
		}
		var p Piece
		if err := json.Unmarshal(line, &p); err != nil {
			return End{}, fmt.Errorf("a line of the answer is no JSON: %w", err)
		}
		switch {
		case p.Problem != nil:
			return End{}, p.Problem.asError()
		case p.End != nil:
			return *p.End, nil
		case p.Row != nil:
			if err := row(p.Row); err != nil {
				return End{}, err
			}
		case first:
			if err := header(p); err != nil {
				return End{}, err
			}
		}
	}
}
