package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
)

// routes is the whole table.
func (s *Server) routes() {
	route(s, "GET /connections", "List connections", s.listConnections)
	route(s, "POST /connections", "Make a connection after a live check", s.createConnection)
	route(s, "POST /preflight", "Check a connection live, say what reading it takes, and store nothing", s.preflightConnection)
	route(s, "GET /connections/{name}", "Show a connection", s.getConnection)
	route(s, "PATCH /connections/{name}", "Change a connection", s.updateConnection)
	route(s, "DELETE /connections/{name}", "Remove a connection and what only it sees", s.deleteConnection)
	route(s, "GET /connections/{name}/removal", "Say what removing a connection would close", s.previewRemoval)
	route(s, "POST /connections/{name}/test", "Check the credentials of a connection live", s.testConnection)
	route(s, "GET /connections/{name}/credentials", "List credentials without their secrets", s.listCredentials)
	route(s, "POST /connections/{name}/credentials", "Add a credential after a live check", s.createCredential)
	route(s, "DELETE /connections/{name}/credentials/{id}", "Remove a credential", s.deleteCredential)
	route(s, "POST /connections/{name}/runs", "Start a run", s.startRun)
	route(s, "GET /connections/{name}/scopes", "List what is read and how well: the ledger", s.listScopes)
	route(s, "GET /connections/{name}/scopes/{scope}/ledger", "Show the states of one listing over time", s.ledger)
	route(s, "GET /connections/{name}/completeness", "Say how well everything is known that a connection reads", s.completeness)
	route(s, "GET /connections/{name}/held", "List closings that wait for a confirmation", s.listHeld)
	route(s, "POST /connections/{name}/held/{run}/confirm", "Start a run that goes through with held closings", s.confirmHeld)
	route(s, "GET /runs", "List runs, the newest first", s.listRuns)
	route(s, "GET /runs/{id}", "Show a run", s.getRun)
	route(s, "POST /runs/{id}/cancel", "Stop a run; the next one goes on from there", s.cancelRun)
	stream(s, "GET /runs/{id}/events", "Follow a run (server-sent events)", "text/event-stream", client.Progress{}, s.runEvents)
	route(s, "POST /query", "Ask a question, page by page", s.query)
	stream(s, "POST /query/stream", "Ask a question, all rows, one JSON object per line", "application/x-ndjson", client.Piece{}, s.queryStream)
	route(s, "GET /entities/{key}", "Show an entity, now or at a past moment", s.getEntity)
	route(s, "GET /entities/{key}/history", "Show every version of an entity that is kept", s.history)
	route(s, "GET /history", "Say how far back history goes", s.retention)
	route(s, "POST /history/purge", "Remove history that is older than it is kept, or say what would go", s.purge)
	route(s, "GET /holds", "List what keeps history from being purged", s.listHolds)
	route(s, "POST /holds", "Keep history from being purged", s.addHold)
	route(s, "POST /holds/{name}/release", "End a hold", s.releaseHold)
	route(s, "GET /hooks", "List webhooks and how they are", s.listHooks)
	route(s, "GET /hooks/refused", "Show which requests to webhooks were refused", s.listRefused)
	stream(s, "POST /connections/{name}/hooks/ensure", "Make the webhooks of a connection as they should be, one JSON object per line", "application/x-ndjson", client.HookPiece{}, s.ensureHooks)
	stream(s, "POST /connections/{name}/hooks/remove", "Delete and forget the webhooks of a connection, one JSON object per line", "application/x-ndjson", client.HookPiece{}, s.removeHooks)
	route(s, "GET /deliveries", "List what webhooks brought, the newest first", s.listDeliveries)
	route(s, "GET /deliveries/{id}", "Show a delivery", s.getDelivery)
	route(s, "POST /deliveries/{id}/replay", "Apply a delivery once more", s.replayDelivery)
	route(s, "GET /jobs", "List background jobs", s.listJobs)
	route(s, "POST /jobs/{id}/retry", "Run a job again now", s.retryJob)
	route(s, "POST /jobs/{id}/cancel", "Cancel a job", s.cancelJob)
	route(s, "GET /key", "Show which keys there are and how much each seals", s.showKeys)
	route(s, "POST /key/rotate", "Make a new key and seal everything anew with it", s.rotateKey)
	route(s, "GET /doctor", "Check the installation", s.doctor)
	route(s, "GET /version", "Show the version", s.version)

	// huma describes its own form of errors beside ours; nothing refers to it.
	delete(s.huma.OpenAPI().Components.Schemas.Map(), "ErrorModel")
	delete(s.huma.OpenAPI().Components.Schemas.Map(), "ErrorDetail")

	s.mux.HandleFunc("GET /healthz", s.healthz)
	s.mux.HandleFunc("GET /readyz", s.readyz)
	s.mux.Handle("GET /metrics", s.metrics.handler())
	if s.Web != nil {
		s.mux.Handle("GET /{$}", s.Web)
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		newProblem(fault.NotFound, "there is nothing at this address", "docs/openapi.json lists what there is").write(w)
	})
}

// body is an answer.
type body[T any] struct{ Body T }

// none is an answer without a body.
type none struct{}

// route registers an operation. Its errors become problems.
func route[I, O any](s *Server, pattern, summary string, f func(context.Context, *I) (*O, error)) {
	op := s.operation(pattern, summary)
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := f(ctx, in)
		if err != nil {
			return nil, problemFor(ctx, s.log, err)
		}
		return out, nil
	})
}

// stream registers an operation that writes its answer piece by piece. f may fail before it returns the function that
// writes; after that, failures are pieces of the answer.
func stream[I any](s *Server, pattern, summary, contentType string, piece any, f func(context.Context, *I) (func(huma.Context), error)) {
	op := s.operation(pattern, summary)
	op.Responses["200"] = &huma.Response{
		Description: "OK",
		Content:     map[string]*huma.MediaType{contentType: {Schema: s.schema(piece)}},
	}
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*huma.StreamResponse, error) {
		write, err := f(ctx, in)
		if err != nil {
			return nil, problemFor(ctx, s.log, err)
		}
		return &huma.StreamResponse{Body: func(h huma.Context) {
			h.SetHeader("Content-Type", contentType)
			h.SetHeader("Cache-Control", "no-store")
			h.SetHeader("X-Accel-Buffering", "no")
			write(h)
		}}, nil
	})
}

// operation derives method, path, id and tag from a pattern such as "GET /runs/{id}".
func (s *Server) operation(pattern, summary string) huma.Operation {
	method, path, _ := strings.Cut(pattern, " ")
	words := strings.FieldsFunc(strings.ReplaceAll(path, "}", ""), func(r rune) bool { return r == '/' || r == '{' })
	return huma.Operation{
		OperationID: strings.ToLower(method) + "-" + strings.Join(words, "-"),
		Method:      method, Path: "/api/v1" + path, Summary: summary, Tags: words[:1],
		MaxBodyBytes:    maxBody,
		BodyReadTimeout: -1, // bodies have been read before
		Responses: map[string]*huma.Response{"default": {
			Description: "A problem",
			Content:     map[string]*huma.MediaType{problemType: {Schema: s.schema(client.Problem{})}},
		}},
	}
}
