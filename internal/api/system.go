package api

import (
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/job"
)

func (s *Server) schema(v any) *huma.Schema {
	return s.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(v), true, "")
}

func (s *Server) doctor(ctx context.Context, _ *struct{}) (*body[client.Doctor], error) {
	findings, err := s.Doctor(ctx)
	if err != nil {
		return nil, err
	}
	out := client.Doctor{OK: true, Findings: findings}
	for _, f := range findings {
		out.OK = out.OK && f.Level != "error"
	}
	return &body[client.Doctor]{out}, nil
}

func (s *Server) version(context.Context, *struct{}) (*body[client.VersionInfo], error) {
	return &body[client.VersionInfo]{s.Info}, nil
}

// healthz says that the process answers, nothing more.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}

// readyz says that the database answers and its schema is ours.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if err := s.Ready(r.Context()); err != nil {
		p := problemFor(r.Context(), s.log, err)
		if p.Status < 500 || p.Code == string(fault.Internal) {
			p = newProblem(fault.Unavailable, "the database does not answer", "the server's log holds the details")
		}
		p.write(w)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ready\n"))
}

type jobsIn struct {
	State string `query:"state" enum:"waiting,running,retrying,done,canceled,dead" doc:"Only jobs in this state; all but those that are done where absent."`
	Limit int    `query:"limit" default:"50" minimum:"1" maximum:"1000"`
}

func (s *Server) listJobs(ctx context.Context, in *jobsIn) (*body[client.List[client.Job]], error) {
	f := job.JobFilter{Limit: in.Limit}
	if in.State != "" {
		f.States = []job.State{job.State(in.State)}
	}
	jobs, err := s.Jobs.Jobs(ctx, f)
	if err != nil {
		return nil, err
	}
	out := client.List[client.Job]{Items: []client.Job{}}
	for _, j := range jobs {
		out.Items = append(out.Items, jobOf(j))
	}
	return &body[client.List[client.Job]]{out}, nil
}

func jobOf(j job.Job) client.Job {
	return client.Job{
		ID: j.ID, Kind: j.Kind, Subject: j.Key, State: string(j.State), Attempt: j.Attempt, Error: j.Error,
		Since: j.Since, Next: timeOrNil(j.Next),
	}
}

// Numbered is the part of a request that names a run or a job; exported likewise.
type Numbered struct {
	ID int64 `path:"id" minimum:"1"`
}

func (s *Server) retryJob(ctx context.Context, in *Numbered) (*body[client.Job], error) {
	return s.act(ctx, in.ID, s.Jobs.Retry)
}

func (s *Server) cancelJob(ctx context.Context, in *Numbered) (*body[client.Job], error) {
	return s.act(ctx, in.ID, s.Jobs.Cancel)
}

func (s *Server) act(ctx context.Context, id int64, do func(context.Context, int64) error) (*body[client.Job], error) {
	if err := do(ctx, id); err != nil {
		return nil, err
	}
	j, err := s.Jobs.Job(ctx, id)
	return &body[client.Job]{jobOf(j)}, err
}

// orEmpty makes an empty list [] and not null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
