package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

type startIn struct {
	Named
	Body client.RunRequest
}

func (s *Server) startRun(ctx context.Context, in *startIn) (*body[client.Run], error) {
	o := sync.RunOptions{
		Full: in.Body.Full, ConfirmDeletes: in.Body.ConfirmDeletes, NoWait: in.Body.NoWait, Drain: in.Body.Drain,
		Cause: graph.Cause{Kind: "user"},
	}
	if in.Body.Since != "" {
		d, err := config.ParseDuration(in.Body.Since)
		if err != nil {
			return nil, err
		}
		o.Since = d
	}
	if v := o.ConfirmDeletes; v != "" && v != "all" {
		if _, err := strconv.ParseInt(v, 10, 64); err != nil {
			return nil, fault.New(fault.Usage, "%q is neither the number of a run nor all", v).With("windlass runs shows the numbers")
		}
	}
	return s.start(ctx, in.Name, o)
}

func (s *Server) start(ctx context.Context, name string, o sync.RunOptions) (*body[client.Run], error) {
	id, err := s.Runs.Start(ctx, name, o)
	if err != nil {
		return nil, err
	}
	r, err := s.Store.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	w, err := run(r, name)
	return &body[client.Run]{w}, err
}

type runsIn struct {
	Connection string `query:"connection" doc:"Only runs of this connection."`
	Limit      int    `query:"limit" default:"50" minimum:"1" maximum:"1000"`
	Cursor     string `query:"cursor" doc:"Cursor of the page before."`
}

func (s *Server) listRuns(ctx context.Context, in *runsIn) (*body[client.List[client.Run]], error) {
	f := store.RunFilter{Limit: in.Limit + 1}
	if in.Cursor != "" {
		before, err := strconv.ParseInt(in.Cursor, 10, 64)
		if err != nil || before < 1 {
			return nil, fault.New(fault.Invalid, "the cursor is none that this server gave").With("start again without a cursor")
		}
		f.Before = before
	}
	if in.Connection != "" {
		c, err := s.Store.Connection(ctx, in.Connection)
		if err != nil {
			return nil, err
		}
		f.Connection = c.ID
	}
	runs, err := s.Store.Runs(ctx, f)
	if err != nil {
		return nil, err
	}
	names, err := s.names(ctx)
	if err != nil {
		return nil, err
	}
	out := client.List[client.Run]{Items: []client.Run{}}
	for i, r := range runs {
		if i == in.Limit {
			out.Cursor = strconv.FormatInt(runs[i-1].ID, 10)
			break
		}
		w, err := run(r, names[r.Connection])
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, w)
	}
	return &body[client.List[client.Run]]{out}, nil
}

func (s *Server) names(ctx context.Context) (map[int64]string, error) {
	all, err := s.Store.Connections(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[int64]string, len(all))
	for _, c := range all {
		out[c.ID] = c.Name
	}
	return out, nil
}

func (s *Server) run(ctx context.Context, id int64) (client.Run, error) {
	r, err := s.Store.Run(ctx, id)
	if err != nil {
		return client.Run{}, err
	}
	names, err := s.names(ctx)
	if err != nil {
		return client.Run{}, err
	}
	return run(r, names[r.Connection])
}

func (s *Server) getRun(ctx context.Context, in *Numbered) (*body[client.Run], error) {
	r, err := s.run(ctx, in.ID)
	return &body[client.Run]{r}, err
}

func (s *Server) cancelRun(ctx context.Context, in *Numbered) (*none, error) {
	if s.Runs.Cancel(in.ID) {
		return nil, nil
	}
	r, err := s.Store.Run(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if r.EndedAt == nil {
		return nil, fault.New(fault.Conflict, "run %d is not a run of this process", in.ID).With("stop it where it was started")
	}
	return nil, nil // it has ended already
}

// run is the wire form of a stored one.
func run(r store.Run, connection string) (client.Run, error) {
	out := client.Run{
		ID: r.ID, Connection: connection, Cause: client.Cause{Kind: r.Cause.Kind, ID: r.Cause.ID}, Status: r.Status,
		StartedAt: r.StartedAt, EndedAt: r.EndedAt, Calls: r.Calls, Error: r.Error,
	}
	if r.Summary != "" {
		var sum client.Summary
		if err := json.Unmarshal([]byte(r.Summary), &sum); err != nil {
			return out, fmt.Errorf("read the summary of run %d: %w", r.ID, err)
		}
		out.Summary = &sum
	}
	return out, nil
}

type eventsIn struct {
	Numbered
	Last string `header:"Last-Event-ID" doc:"Number of the last event that came; what followed it is sent."`
}

const (
	pollRun   = time.Second      // of a run that another process does
	keepAlive = 15 * time.Second // so that proxies and readers see life
)

// runEvents sends the progress of a run until it has ended. The last event has phase done and carries the run.
func (s *Server) runEvents(ctx context.Context, in *eventsIn) (func(huma.Context), error) {
	if _, err := s.Store.Run(ctx, in.ID); err != nil {
		return nil, err
	}
	after, err := strconv.Atoi(in.Last)
	if in.Last != "" && err != nil {
		return nil, fault.New(fault.Invalid, "Last-Event-ID is no number")
	}
	return func(h huma.Context) {
		w := newEvents(h)
		if err := w.comment("windlass"); err != nil {
			return
		}
		if err := s.follow(ctx, in.ID, after, w); err != nil && ctx.Err() == nil {
			s.log.DebugContext(ctx, "following a run ended", "run", in.ID, "reason", err.Error())
		}
	}, nil
}

func (s *Server) follow(ctx context.Context, id int64, after int, w *events) error {
	for {
		list, more, ok := s.Runs.Events(id, after)
		var failure error
		ended := false
		for _, e := range list {
			after = e.Number
			if e.Ended {
				ended, failure = true, e.Err
				continue
			}
			if err := w.send(e.Number, progress(e.Event)); err != nil {
				return err
			}
		}
		if !ok || ended {
			r, err := s.run(ctx, id)
			if err != nil {
				return err
			}
			if ended || r.EndedAt != nil {
				last := client.Progress{Phase: "done", Calls: r.Calls, Message: r.Status, Run: &r}
				if failure != nil {
					p := problemFor(ctx, s.log, failure).Problem
					last.Problem = &p
				}
				return w.send(after+1, last)
			}
		}
		wait := keepAlive
		if !ok {
			wait = pollRun
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-more:
			t.Stop()
		case <-t.C:
			if err := w.comment("alive"); err != nil {
				return err
			}
		}
	}
}

func progress(e sync.Event) client.Progress {
	return client.Progress{
		Phase: e.Phase, Scope: e.Scope, Done: e.Done, Total: e.Total, Calls: e.Calls, Objects: e.Objects, Waiting: e.Waiting, Message: e.Message,
	}
}

// events writes server-sent events.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func newEvents(h huma.Context) *events {
	_, w := humago.Unwrap(h)
	return &events{w: w, control: http.NewResponseController(w)}
}

func (e *events) send(id int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	return e.write(fmt.Sprintf("id: %d\nevent: progress\ndata: %s\n\n", id, b))
}

func (e *events) comment(text string) error { return e.write(": " + text + "\n\n") }

func (e *events) write(text string) error {
	if err := e.control.SetWriteDeadline(time.Now().Add(pieceTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("prepare to write: %w", err)
	}
	if _, err := e.w.Write([]byte(text)); err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	if err := e.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("write an event: %w", err)
	}
	return nil
}
