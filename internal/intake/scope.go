package intake

import (
	"context"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// reach is how far a hook covers an event. The signature proves which hook a body came through, not that the body is
// about what the hook was made for (HARD-PARTS B).
type reach int

const (
	covered   reach = iota
	readsOnly       // it may cause reads, and nothing of it is applied
	outside
)

// covers tells how far a hook covers an event, and what the event is about where it does not.
//
// What the graph knows of a repository counts beside what the body claims: where the two differ the repository may just
// have moved, so it is read. That also holds for a move away, which the hook of the old place tells.
func (d *Drainer) covers(ctx context.Context, hook store.Hook, ev bitbucket.Event) (reach, string, error) {
	if ev.Ping {
		return covered, "", nil
	}
	for _, o := range ev.Page.Objects {
		if key := o.Entity.Key; !within(key, ev) {
			return outside, key, nil
		}
	}
	project, account := "", ""
	if ev.Repository != "" && hook.PlaceType != graph.TypeRepo {
		var err error
		if project, account, err = d.Home(ctx, ev.Repository); err != nil {
			return outside, "", err
		}
	}
	var claims, knows string
	var before any
	switch hook.PlaceType {
	case graph.TypeRepo:
		claims = ev.Repository
	case graph.TypeProject:
		claims, knows, before = ev.Project, project, ev.Extra["previousProject"]
	default:
		claims, knows, before = ev.Account, account, ev.Extra["previousAccount"]
	}
	switch {
	case claims == hook.Place && (knows == "" || knows == hook.Place):
		return covered, "", nil
	case claims == "" && knows == hook.Place:
		return covered, "", nil
	case claims == hook.Place, before == hook.Place:
		return readsOnly, "", nil
	case claims == "" && knows == "" && hook.PlaceType == graph.TypeWorkspace && ev.Repository != "":
		return readsOnly, "", nil // a short form that does not tell the workspace, of a repository that is new
	case claims != "":
		return outside, claims, nil
	case knows != "":
		return outside, knows, nil
	case ev.Ignore != "":
		return covered, "", nil
	}
	return outside, "what it does not name", nil
}

// within reports whether an object belongs to what an event is about.
func within(key string, ev bitbucket.Event) bool {
	for _, of := range []string{ev.Repository, ev.Project, ev.Account} {
		if of != "" && key == of {
			return true
		}
	}
	return ev.Repository != "" && strings.HasPrefix(key, ev.Repository+":")
}

// doorbell is what an event may cause of which nothing is believed: that what it names is read.
func doorbell(ev bitbucket.Event) bitbucket.Event {
	bell := bitbucket.Event{Key: ev.Key, Ping: ev.Ping, Ignore: ev.Ignore, Account: ev.Account, Project: ev.Project, Repository: ev.Repository, Repo: ev.Repo}
	bell.Fetch = append(bell.Fetch, ev.Fetch...)
	bell.Lists = append(bell.Lists, ev.Lists...)
	for _, o := range ev.Page.Objects {
		ref := bitbucket.Ref{Type: o.Entity.Type, Key: o.Entity.Key}
		if strings.HasPrefix(ref.Key, ev.Repository+":") {
			ref.Workspace, ref.Project, ref.Slug = ev.Repo.WorkspaceUUID, ev.Repo.Project, ev.Repo.Slug
		}
		bell.Fetch = append(bell.Fetch, ref)
	}
	if len(ev.Pushes) > 0 && ev.Repository != "" {
		bell.Lists = append(bell.Lists, bitbucket.List{Place: bitbucket.Place{Type: graph.TypeRepo, Key: ev.Repository}, Name: bitbucket.ListBranches})
	}
	return bell
}
