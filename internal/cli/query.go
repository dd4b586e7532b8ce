package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
)

type queryCmd struct {
	Query string `arg:"" help:"The question in J1QL; - reads it from standard input."`
	At    string `help:"Past moment to ask about: RFC 3339, a date, or a time ago such as 7d." placeholder:"TIME"`
	listing
}

// Help implements kong.HelpProvider.
func (queryCmd) Help() string {
	return `All rows are printed. Times are milliseconds since the epoch.

Examples:
  windlass query 'FIND bitbucket_repo WITH public = true'
  windlass query 'FIND bitbucket_user AS u THAT OPENED bitbucket_pull_request AS p WITH state = "OPEN" RETURN u.displayName, COUNT(p)'
  windlass query 'FIND bitbucket_repo' --at 2026-11-01 -o csv`
}

// Run asks.
func (c queryCmd) Run(s *session) error {
	if c.Query == "-" {
		text, err := io.ReadAll(io.LimitReader(s.In, 1<<20))
		if err != nil {
			return fmt.Errorf("read the query: %w", err)
		}
		c.Query = string(text)
	}
	if strings.TrimSpace(c.Query) == "" {
		return fault.New(fault.Usage, "the question is empty").With("ask for example: windlass query 'FIND bitbucket_repo'")
	}
	return s.with(func(d door) error {
		out := rowWriter(s.Out, c.Output)
		end, err := d.Stream(s.ctx, client.Query{Query: c.Query, At: c.At}, out.begin, out.row)
		if err != nil {
			return err
		}
		for _, w := range end.Warnings {
			s.note("warning: %s", w)
		}
		return out.end()
	})
}

// rows is a form in which an answer is written.
type rows interface {
	begin(header client.Piece) error
	row(json.RawMessage) error
	end() error
}

func rowWriter(w io.Writer, form string) rows {
	switch form {
	case "json":
		return &jsonRows{w: w}
	case "csv":
		return &tableRows{w: w, csv: csv.NewWriter(w)}
	}
	return &tableRows{w: w}
}

// jsonRows writes an array, row by row as they come.
type jsonRows struct {
	w io.Writer
	n int
}

func (j *jsonRows) begin(client.Piece) error { return nil }

func (j *jsonRows) row(b json.RawMessage) error {
	lead := ",\n  "
	if j.n == 0 {
		lead = "[\n  "
	}
	j.n++
	_, err := fmt.Fprintf(j.w, "%s%s", lead, b)
	return err
}

func (j *jsonRows) end() error {
	tail := "\n]\n"
	if j.n == 0 {
		tail = "[]\n"
	}
	_, err := io.WriteString(j.w, tail)
	return err
}

// tableRows writes a table, or CSV. Rows whose columns are not all known beforehand (whole entities) are kept until the
// end, because a header comes first; others are written as they come in CSV.
type tableRows struct {
	w       io.Writer
	csv     *csv.Writer
	columns []string
	fixed   bool
	kept    []map[string]any
}

func (t *tableRows) begin(header client.Piece) error {
	t.columns, t.fixed = header.Columns, !header.Open
	if t.fixed && t.csv != nil {
		return t.csv.Write(t.columns)
	}
	return nil
}

func (t *tableRows) row(b json.RawMessage) error {
	m := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		return fmt.Errorf("a row is no JSON object: %w", err)
	}
	if t.fixed && t.csv != nil {
		return t.csv.Write(harmless(t.cells(m)))
	}
	t.kept = append(t.kept, m)
	return nil
}

func (t *tableRows) cells(m map[string]any) []string {
	out := make([]string, len(t.columns))
	for i, c := range t.columns {
		out[i] = cell(m[c])
	}
	return out
}

// end writes what was kept. A table of whole entities shows what fits a screen; CSV has every property.
func (t *tableRows) end() error {
	if !t.fixed {
		t.columns = t.open()
	}
	lines := make([][]string, len(t.kept))
	for i, m := range t.kept {
		lines[i] = t.cells(m)
	}
	if t.csv == nil {
		if err := printTable(t.w, t.columns, lines); err != nil {
			return err
		}
		_, err := fmt.Fprintf(t.w, "\n%s\n", many(len(lines), "row"))
		return err
	}
	if !t.fixed {
		if err := t.csv.Write(t.columns); err != nil {
			return err
		}
		for _, l := range lines {
			if err := t.csv.Write(harmless(l)); err != nil {
				return err
			}
		}
	}
	t.csv.Flush()
	return t.csv.Error()
}

// open returns the columns of rows that bring names of their own: the common ones first, then the rest by name.
func (t *tableRows) open() []string {
	first := []string{"_type", "displayName", "_key"}
	if t.csv != nil {
		first = []string{"_key", "_type", "_class", "displayName"}
	}
	seen := map[string]bool{}
	var rest []string
	for _, m := range t.kept {
		for k := range m {
			if !seen[k] {
				seen[k] = true
				rest = append(rest, k)
			}
		}
	}
	if t.csv == nil && seen["_key"] {
		return first
	}
	slices.SortFunc(rest, strings.Compare)
	columns := []string{}
	for _, k := range first {
		if seen[k] {
			columns = append(columns, k)
		}
	}
	for _, k := range rest {
		if !slices.Contains(columns, k) {
			columns = append(columns, k)
		}
	}
	return columns
}
