package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/store"
)

func (a *App) doctorConnection(ctx context.Context, c store.Connection, add adder) error {
	name := "connection " + c.Name
	credentials, err := a.store.Credentials(ctx, c.ID)
	if err != nil {
		add("error", name, "check that the key file is the one the credentials were stored with", "the credentials cannot be opened: %v", err)
		return nil
	}
	if len(credentials) == 0 {
		add("error", name, "windlass connection credential add "+c.Name, "it has no credential")
	}
	for _, k := range credentials {
		if v := k.Verdict; v != nil && !v.Valid {
			add("error", name, "windlass connection test "+c.Name, "credential %d was refused: %s", k.ID, v.Problem)
		} else if v != nil && len(v.Missing) > 0 {
			add("warning", name, "windlass connection test "+c.Name, "credential %d lacks %s", k.ID, join(v.Missing))
		}
	}
	runs, err := a.store.Runs(ctx, store.RunFilter{Connection: c.ID, Limit: 1})
	if err != nil {
		return err
	}
	switch {
	case len(runs) == 0:
		add("info", name, "windlass sync "+c.Name, "it was never read")
	case runs[0].Status == "failed":
		add("error", name, "windlass runs "+c.Name, "the last run failed: %s", runs[0].Error)
	case runs[0].Status == "complete" || runs[0].Status == store.RunRunning:
		add("ok", name, "", "the last run (%d) is %s", runs[0].ID, runs[0].Status)
	default:
		add("warning", name, "windlass runs "+c.Name, "the last run (%d) is %s", runs[0].ID, runs[0].Status)
	}
	if err := a.doctorScopes(ctx, c, add); err != nil {
		return err
	}
	held, err := a.store.HeldClosings(ctx, c.ID)
	if err != nil {
		return err
	}
	for _, h := range held {
		add("warning", name, fmt.Sprintf("windlass sync %s --confirm-deletes %d", c.Name, h.Run),
			"run %d holds %d closings: %s", h.Run, len(h.Members), h.Reason)
	}
	return nil
}

// groupsShown is how many groups of listings doctor names of one connection; windlass runs names more.
const groupsShown = 10

// doctorScopes says what of a connection is not known, and which right is missing where one is.
func (a *App) doctorScopes(ctx context.Context, c store.Connection, add adder) error {
	name := "connection " + c.Name
	k, err := a.api.Completeness(ctx, c)
	if err != nil {
		return err
	}
	scopes, never := 0, 0
	for _, t := range k.Listings {
		scopes += t.Scopes - t.Disabled
		never += t.NeverComplete
		if t.Overdue {
			add("warning", name, "windlass runs "+c.Name, "%s are overdue: the oldest was read %s", t.Listing, t.Oldest.Format("2006-01-02 15:04"))
		}
		if n := t.Failed + t.Partial; n > 0 {
			add("warning", name, "windlass runs "+c.Name+" --scopes --listing "+t.Listing+" names them", "%d of %d listings of %s are failed or partial", n, t.Scopes, t.Listing)
		}
	}
	if never > 0 {
		add("info", name, "windlass runs "+c.Name+" --scopes --never-complete names them", "%d of %d listings have never been read to their end", never, scopes)
	}
	for i, g := range k.Denied {
		if i == groupsShown {
			add("warning", name, "windlass runs "+c.Name, "%d more kinds of listings are denied", len(k.Denied)-i)
			break
		}
		remedy := "windlass connection test " + c.Name
		if g.Needs != "" {
			remedy = "it takes " + g.Needs
		}
		add("warning", name, remedy, "%s denied%s: %s", g.What(), named(g), g.Reason)
	}
	rest := slices.DeleteFunc(k.NeverComplete, func(g client.ScopeGroup) bool { return g.State == string(store.LedgerDenied) })
	for i, g := range rest {
		if i == groupsShown {
			add("info", name, "windlass runs "+c.Name, "%d more kinds of listings have never been read to their end", len(rest)-i)
			break
		}
		level, state := "warning", g.State
		switch store.LedgerState(state) {
		case "":
			level, state = "info", "its turn has not come yet"
		case store.LedgerWindowed: // as the connection's history option wants it
			level = "info"
		}
		if g.Reason != "" {
			state += ": " + g.Reason
		}
		add(level, name, "windlass runs "+c.Name, "%s never read to their end%s: %s", g.What(), named(g), state)
	}
	return nil
}

// named lists the titles of a group where they are not its name.
func named(g client.ScopeGroup) string {
	if g.Count == 1 {
		return ""
	}
	text := strings.Join(g.Titles, ", ")
	if more := g.Count - len(g.Titles); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return " (" + text + ")"
}
