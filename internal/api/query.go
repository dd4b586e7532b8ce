package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/fault"
)

const (
	pageRows    = 250
	maxPageRows = 1000
)

type queryIn struct{ Body client.Query }

// place is where the next page begins: so many rows into the answer as of a moment. That the moment is part of it
// keeps pages of a changing graph together.
type place struct {
	Skip int   `json:"s"`
	At   int64 `json:"t"` // µs
}

func (p place) encode() string {
	b, _ := json.Marshal(p) // two integers
	return base64.RawURLEncoding.EncodeToString(b)
}

func decodePlace(cursor string) (place, error) {
	var p place
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil || p.Skip < 1 || p.At < 1 {
		return p, fault.New(fault.Invalid, "the cursor is none that this server gave").With("start again without a cursor")
	}
	return p, nil
}

// errFull ends an answer when a page is full.
var errFull = errors.New("the page is full")

func (s *Server) query(ctx context.Context, in *queryIn) (*body[client.Answer], error) {
	q := in.Body
	limit := q.Limit
	if limit == 0 {
		limit = pageRows
	}
	limit = min(limit, maxPageRows)
	at, err := s.moment(q.At)
	if err != nil {
		return nil, err
	}
	from := place{At: s.now().UnixMicro()}
	if q.Cursor != "" {
		if from, err = decodePlace(q.Cursor); err != nil {
			return nil, err
		}
	}
	var pin *time.Time
	if q.Cursor != "" {
		t := time.UnixMicro(from.At).UTC()
		pin = &t
	}
	out := client.Answer{Columns: []string{}, Rows: []client.Row{}}
	n := 0
	told, err := s.Asker.Ask(ctx, Question{Text: q.Query, At: at, Pin: pin, Max: from.Skip + limit + 1},
		func(columns []string, open bool) error {
			out.Columns, out.Open = orEmpty(columns), open
			return nil
		},
		func(row json.RawMessage) error {
			n++
			switch {
			case n <= from.Skip:
				return nil
			case n > from.Skip+limit:
				out.Cursor = place{Skip: from.Skip + limit, At: from.At}.encode()
				return errFull
			}
			r := client.Row{}
			d := json.NewDecoder(bytes.NewReader(row))
			d.UseNumber()
			if err := d.Decode(&r); err != nil {
				return fmt.Errorf("read a row: %w", err)
			}
			out.Rows = append(out.Rows, r)
			return nil
		})
	if err != nil && !errors.Is(err, errFull) {
		return nil, err
	}
	out.Warnings = told.Warnings
	if q.At != "" || q.Cursor == "" {
		out.At = told.At
	}
	return &body[client.Answer]{out}, nil
}

func (s *Server) moment(text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	t, err := config.ParseMoment(text, s.now())
	if err != nil {
		return nil, err
	}
	return &t, nil
}

const (
	flushTime = 200 * time.Millisecond // longest that a row waits for company
	pieceTime = 30 * time.Second       // to send one piece to a slow reader
)

// queryStream answers without a limit. A query that cannot be read fails as a problem; what fails later is the last
// line.
func (s *Server) queryStream(ctx context.Context, in *queryIn) (func(huma.Context), error) {
	q := in.Body
	if q.Cursor != "" || q.Limit != 0 {
		return nil, fault.New(fault.Invalid, "the stream has neither cursor nor limit").With("use LIMIT in the query, or /api/v1/query for pages")
	}
	at, err := s.moment(q.At)
	if err != nil {
		return nil, err
	}
	return func(h huma.Context) {
		start := s.now()
		out := newLines(h)
		rows, begun := 0, false
		told, err := s.Asker.Ask(ctx, Question{Text: q.Query, At: at},
			func(columns []string, open bool) error {
				begun = true
				return out.piece(client.Piece{Columns: orEmpty(columns), Open: open}, false)
			},
			func(row json.RawMessage) error {
				rows++
				return out.row(row)
			})
		switch {
		case err != nil && !begun:
			problemFor(ctx, s.log, err).send(h)
		case err != nil:
			p := problemFor(ctx, s.log, err).Problem
			_ = out.piece(client.Piece{Problem: &p}, true)
		default:
			_ = out.piece(client.Piece{End: &client.End{
				Rows: rows, Seconds: s.now().Sub(start).Seconds(), Warnings: told.Warnings, At: told.At,
			}}, true)
		}
	}, nil
}

// lines writes one JSON object per line to a client that may be slow or gone.
type lines struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buffer  []byte
	flushed time.Time
}

func newLines(h huma.Context) *lines {
	_, w := humago.Unwrap(h)
	return &lines{w: w, control: http.NewResponseController(w)}
}

// row writes a row; the first one is seen at once, later ones share a write.
func (l *lines) row(row json.RawMessage) error {
	l.buffer = append(append(append(l.buffer, `{"row":`...), row...), '}', '\n')
	if len(l.buffer) < 16<<10 && time.Since(l.flushed) < flushTime {
		return nil
	}
	return l.flush()
}

func (l *lines) piece(p client.Piece, flush bool) error {
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("write a line of the answer: %w", err)
	}
	l.buffer = append(append(l.buffer, b...), '\n')
	if flush {
		return l.flush()
	}
	return nil
}

func (l *lines) flush() error {
	l.flushed = time.Now()
	if err := l.control.SetWriteDeadline(l.flushed.Add(pieceTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("prepare to write: %w", err)
	}
	_, err := l.w.Write(l.buffer)
	l.buffer = l.buffer[:0]
	if err != nil {
		return fmt.Errorf("write to the client: %w", err)
	}
	if err := l.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("write to the client: %w", err)
	}
	return nil
}
