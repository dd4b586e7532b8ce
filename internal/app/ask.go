package app

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/windlass-hq/windlass/internal/api"
	"github.com/windlass-hq/windlass/internal/query"
)

// asker answers questions for the API. As long as there is no sign-in, whoever reaches the API is the owner.
type asker struct{ engine *query.Engine }

// Ask implements api.Asker.
func (a asker) Ask(ctx context.Context, q api.Question, header func([]string, bool) error, row func(json.RawMessage) error) (api.Told, error) {
	parsed, err := query.Parse(q.Text)
	if err != nil {
		return api.Told{}, err
	}
	at := q.At
	if at == nil && parsed.At == nil {
		at = q.Pin
	}
	begun := false
	begin := func() error {
		if begun {
			return nil
		}
		begun = true
		columns, open := columnsOf(parsed)
		return header(columns, open)
	}
	info, err := a.engine.Run(ctx, query.Request{Text: q.Text, At: at, Limit: q.Max, Viewer: query.Everything()}, func(r query.Row) error {
		if err := begin(); err != nil {
			return err
		}
		b, err := r.MarshalJSON()
		if err != nil {
			return fmt.Errorf("write a row: %w", err)
		}
		return row(b)
	})
	told := api.Told{At: info.At}
	for _, w := range info.Warnings {
		told.Warnings = append(told.Warnings, w.String())
	}
	if err != nil {
		return told, err
	}
	return told, begin()
}

// Doubts implements api.Asker.
func (a asker) Doubts(ctx context.Context, at time.Time) ([]string, error) {
	warnings, err := a.engine.Doubts(ctx, at, query.Everything())
	var out []string
	for _, w := range warnings {
		out = append(out, w.String())
	}
	return out, err
}

// columnsOf returns the columns that are known from the text; open says that rows bring more.
func columnsOf(q *query.Query) (columns []string, open bool) {
	for _, item := range q.Return {
		if item.All {
			open = true
			continue
		}
		columns = append(columns, item.Column())
	}
	return columns, open || len(q.Return) == 0
}
