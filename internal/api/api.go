// Package api serves the HTTP API of Windlass: /api/v1 with its OpenAPI description, health, metrics, and the page.
//
// Operations are plain functions, one file per capability; routes.go is the whole table. What goes over the wire are
// the types of package client, so server and client cannot disagree. Every failure is a problem of RFC 9457
// (problem.go), every request is counted by its route pattern.
package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/job"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

// Options are what a Server needs. All fields are required but Log.
type Options struct {
	Store *store.Store
	Runs  Runs
	Asker Asker
	Jobs  Jobs
	Keys  Keys
	// History looks after how far back the graph can be read.
	History History
	Hooks   Hooks
	// Deliveries keeps what webhooks brought.
	Deliveries Deliveries
	// Check asks Bitbucket what each of the credentials can do.
	Check func(ctx context.Context, conn store.Connection, credentials []store.Credential) (bitbucket.Report, error)
	// Preflight finds out what a first full read of a connection takes.
	Preflight func(ctx context.Context, conn store.Connection, credentials []store.Credential) (bitbucket.Preflight, error)
	// Budgets tells what the principals of a connection have spent.
	Budgets func(ctx context.Context, conn store.Connection, credentials []store.Credential) ([]bitbucket.Budget, error)
	// Instance makes the id of a Data Center instance that is connected for the first time.
	Instance func() string
	// Resembles compares the projects that a Data Center connection sees with those known of an instance.
	Resembles func(ctx context.Context, conn store.Connection, credentials []store.Credential, instance string) (same, other int, err error)
	// Alone runs fn while nothing else works on the connection. It answers fault.Conflict while a run is under way.
	Alone  func(ctx context.Context, connection int64, fn func(context.Context) error) error
	Doctor func(ctx context.Context) ([]Finding, error)
	Ready  func(ctx context.Context) error
	Info   Info
	Web    http.Handler // answers /
	Now    func() time.Time
	Log    *slog.Logger
}

// Info tells which program answers.
type Info = client.VersionInfo

// Finding is the outcome of one check of the installation.
type Finding = client.Finding

// Runs starts runs of connections and tells how far they are.
type Runs interface {
	// Start begins a run and returns its id while it goes on. It answers fault.Conflict when one is under way.
	Start(ctx context.Context, connection string, o sync.RunOptions) (int64, error)
	// Cancel stops a run of this process, and reports whether there is such a run.
	Cancel(run int64) bool
	// Events returns what happened in a run after the event with the given number, and a channel that is closed when
	// there is more. It reports false for a run that is not (or no longer) watched by this process.
	Events(run int64, after int) (events []RunEvent, more <-chan struct{}, ok bool)
}

// RunEvent is one progress of a run. Numbers rise; some may be left out.
type RunEvent struct {
	Number int
	Event  sync.Event
	Ended  bool  // the last one
	Err    error // why the run failed; only with Ended
}

// Asker answers queries.
type Asker interface {
	// Ask checks a question and yields its rows, each as a JSON object that is valid during the call. header is called
	// once, before the first row; open says that rows bring further columns of their own.
	Ask(ctx context.Context, q Question, header func(columns []string, open bool) error, row func(json.RawMessage) error) (Told, error)
	// Doubts says what may be missing from anything that is read as of a past moment.
	Doubts(ctx context.Context, at time.Time) ([]string, error)
}

// Question is one query.
type Question struct {
	Text string
	At   *time.Time // what the asker wants
	Pin  *time.Time // what keeps pages together; counts where neither At nor the text names a moment
	Max  int        // rows; 0 for all
}

// Told is what there is to say about an answer as a whole.
type Told struct {
	Warnings []string
	At       *time.Time // the moment it shows, when that is not now
}

// Jobs looks after background jobs.
type Jobs interface {
	Jobs(ctx context.Context, f job.JobFilter) ([]job.Job, error)
	Job(ctx context.Context, id int64) (job.Job, error)
	Retry(ctx context.Context, id int64) error
	Cancel(ctx context.Context, id int64) error
}

// Server is the API. It has no state of its own beyond metrics.
type Server struct {
	Options
	log     *slog.Logger
	now     func() time.Time
	metrics *metrics
	mux     *http.ServeMux
	huma    huma.API
}

// New builds the server.
func New(o Options) *Server {
	s := &Server{Options: o, log: o.Log, now: o.Now, mux: http.NewServeMux(), metrics: newMetrics()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	s.huma = humago.New(s.mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Windlass", Version: "v1",
				Description: "Everything of Bitbucket in one live graph. Failures are problems of RFC 9457; times are RFC 3339 but in properties of the graph, where they are milliseconds since the epoch.",
			},
			Components: &huma.Components{Schemas: registry},
		},
		OpenAPIPath:                  "/api/v1/openapi",
		Formats:                      map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{translate},
	})
	s.routes()
	return s
}

// Handler returns the whole door: every request passes here.
func (s *Server) Handler() http.Handler {
	return chain(s.mux, s.observed, s.recovered, hosts, sameOrigin, bodies)
}

// OpenAPI returns the description of the API, as docs/openapi.json holds it.
func OpenAPI() ([]byte, error) {
	b, err := json.MarshalIndent(New(Options{}).huma.OpenAPI(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI description: %w", err)
	}
	return append(b, '\n'), nil
}
