package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
)

type syncCmd struct {
	Name           string `arg:"" help:"Name of the connection."`
	Full           bool   `help:"Read everything again, also what an interrupted run had finished."`
	Since          string `help:"Only pull requests that are open or were updated within this time, such as 24h or 30d." placeholder:"TIME"`
	ConfirmDeletes string `help:"Go through with the held closings of a run, or with all beforehand." placeholder:"RUN|all"`
	NoWait         bool   `help:"Save and stop instead of waiting for a spent allowance."`
	Output         string `short:"o" enum:"table,json" default:"table" help:"Form of the output: table or json." placeholder:"FORM"`
}

// Help implements kong.HelpProvider.
func (syncCmd) Help() string {
	return `Ends with 0 when complete, with 1 when partial or failed. Ctrl-C saves what was read; the next sync goes on from there.

Examples:
  windlass sync acme
  windlass sync acme --since 7d -o json
  windlass sync acme --confirm-deletes 12`
}

// Run reads the connection.
func (c syncCmd) Run(s *session) error {
	return s.with(func(d door) error {
		// Who asks by hand wants to see the result, pull requests included; only runs that are due leave those to the
		// background.
		run, err := s.read(d, c.Name, client.RunRequest{
			Full: c.Full, Since: c.Since, ConfirmDeletes: c.ConfirmDeletes, NoWait: c.NoWait, Drain: true,
		})
		if err != nil {
			return err
		}
		if run.Summary != nil && c.Output == "json" {
			if err := printJSON(s.Out, run.Summary); err != nil {
				return err
			}
		} else if run.Summary != nil {
			printSummary(s, *run.Summary)
		}
		return outcome(s, run)
	})
}

// read starts a run, shows its progress and returns it as it ended. When this process is told to stop, so is the run.
func (s *session) read(d door, name string, r client.RunRequest) (client.Run, error) {
	run, err := d.StartRun(s.ctx, name, r)
	if err != nil {
		return run, err
	}
	p := s.progress(name)
	ended, err := d.Follow(s.ctx, run.ID, p.show)
	if s.ctx.Err() != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 10*time.Second)
		defer cancel()
		if stop := d.CancelRun(ctx, run.ID); stop != nil {
			p.end()
			return run, errors.Join(err, stop)
		}
		ended, err = d.Follow(ctx, run.ID, p.show)
	}
	p.end()
	return ended, err
}

// outcome turns the end of a run into the end of the command.
func outcome(s *session, r client.Run) error {
	switch r.Status {
	case client.RunComplete:
		return nil
	case client.RunInterrupted:
		if r.Summary != nil && r.Summary.Status != client.RunInterrupted && r.Error != "" { // not by a person
			s.note("windlass: %s", r.Error)
		}
		s.note("windlass: stopped; run %d is saved as interrupted", r.ID)
		s.note("          Go on where it stopped: windlass sync %s", r.Connection)
	default:
		if r.Error != "" {
			s.note("windlass: run %d of %s is %s: %s", r.ID, r.Connection, r.Status, r.Error)
		} else {
			s.note("windlass: run %d of %s is %s", r.ID, r.Connection, r.Status)
		}
		if r.Summary != nil && r.Summary.Held > 0 {
			s.note("          %s held because too much seemed gone at once. If that is right: windlass sync %s --confirm-deletes %d",
				are(r.Summary.Held, "closing"), r.Connection, r.ID)
		}
	}
	return silent{fault.New(fault.Unavailable, "run %d is %s", r.ID, r.Status)}
}

func are(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return many(n, what) + " are"
}

func printSummary(s *session, u client.Summary) {
	rows := make([][]string, 0, len(u.Objects))
	for _, t := range slices.Sorted(maps.Keys(u.Objects)) {
		rows = append(rows, []string{t, thousands(int64(u.Objects[t]))})
	}
	_ = printTable(s.Out, []string{"type", "objects"}, rows)
	fmt.Fprintf(s.Out, "\n%s: %s, %s calls, %.1f s; %s created, %s updated, %s deleted",
		u.Connection, u.Status, thousands(u.Calls), u.Seconds,
		thousands(int64(u.Changes.Created)), thousands(int64(u.Changes.Updated)), thousands(int64(u.Changes.Deleted)))
	for _, extra := range []struct {
		n    int
		what string
	}{{u.Hidden, "no longer visible"}, {u.Held, "held"}, {u.Skipped, "odd"}} {
		if extra.n > 0 {
			fmt.Fprintf(s.Out, ", %s %s", thousands(int64(extra.n)), extra.what)
		}
	}
	fmt.Fprintln(s.Out)
	printScopes(s, u)
	for _, w := range u.Warnings {
		fmt.Fprintf(s.Out, "  ! %s\n", printable(w))
	}
	for _, o := range u.Odd {
		fmt.Fprintf(s.Out, "  odd: %s\n", printable(o))
	}
}

// printScopes says which listings were not read, the same reason once.
func printScopes(s *session, u client.Summary) {
	type group struct {
		first client.ScopeResult
		n     int
	}
	var order []string
	groups := map[string]*group{}
	for _, sc := range u.Scopes {
		if sc.Status == "complete" || sc.Status == "windowed" || sc.Status == "disabled" {
			continue
		}
		key := sc.Scope[strings.LastIndex(sc.Scope, "/")+1:] + " " + sc.Status + " " + withoutRequest(strings.ReplaceAll(sc.Reason, sc.Title, ""))
		if groups[key] == nil {
			groups[key] = &group{first: sc}
			order = append(order, key)
		}
		groups[key].n++
	}
	for i, key := range order {
		if i == 20 {
			fmt.Fprintln(s.Out, "  … and more: windlass runs "+u.Connection)
			break
		}
		g := groups[key]
		more := ""
		if g.n > 1 {
			more = fmt.Sprintf(" and %s more like it", thousands(int64(g.n-1)))
		}
		fmt.Fprintf(s.Out, "  %s%s: %s%s\n", printable(orElse(g.first.Title, g.first.Scope)), more, g.first.Status, colon(g.first.Reason))
	}
}

// withoutRequest cuts out of a reason which request it was, so that the same failure of many listings reads the same.
func withoutRequest(reason string) string { return request.ReplaceAllString(reason, "") }

// request is how reasons name a request.
var request = regexp.MustCompile(`\b(GET|POST) \S+ ?`)

func colon(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + printable(reason)
}
