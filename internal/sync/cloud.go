package sync

import (
	"context"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// Cloud returns the reader of a Bitbucket Cloud connection that covers the wanted workspaces, or every workspace
// that the credentials reach where none is named. others are clients of the same connection with the credentials that
// it has for further roles.
func Cloud(c *cloud.Client, others map[bitbucket.Role]*cloud.Client, wanted []string, now func() time.Time) Reader {
	return cloudReader{clients: clients[*cloud.Client]{c, others}, c: c, wanted: wanted, now: now}
}

type cloudReader struct {
	clients[*cloud.Client]
	c      *cloud.Client
	wanted []string
	now    func() time.Time
}

// Accounts reads each wanted workspace by itself, so that one mistyped or forbidden name does not hide the others.
func (r cloudReader) Accounts(ctx context.Context) ([]Account, error) {
	asked := r.now()
	if len(r.wanted) == 0 {
		found, err := r.c.Workspaces(ctx, nil)
		if err != nil {
			return nil, err
		}
		var accounts []Account
		for _, ws := range found {
			accounts = append(accounts, r.account(ws, asked))
		}
		return accounts, nil
	}
	var accounts []Account
	for _, name := range r.wanted {
		found, err := r.c.Workspaces(ctx, []string{name})
		switch {
		case fault.Is(err, fault.NotFound), fault.Is(err, fault.Denied):
			accounts = append(accounts, Account{Name: name, Err: err})
			continue
		case err != nil:
			return accounts, err
		}
		for _, ws := range found {
			accounts = append(accounts, r.account(ws, asked))
		}
	}
	return accounts, nil
}

func (r cloudReader) account(ws cloud.Workspace, asked time.Time) Account {
	type pages = func(context.Context, cloud.Workspace, func(bitbucket.Page) error) error
	key := ws.Object.Entity.Key
	list := func(name string, direct bool, read pages) Listing {
		return Listing{
			Parent: key, Name: name, Title: name + " of " + ws.Slug, Direct: direct,
			Pages: func(ctx context.Context, yield func(bitbucket.Page) error) error { return read(ctx, ws, yield) },
		}
	}
	return Account{
		Key: key, Name: ws.Slug, Page: bitbucket.Page{Objects: []graph.Object{ws.Object}, RequestedAt: asked},
		Listings: []Listing{
			list(projects, true, r.c.Projects),
			list(members, false, r.c.Members),
			list(repositories, true, r.c.Repositories),
		},
	}
}

func (r cloudReader) PullRequests(repo bitbucket.RepoRef, since time.Time) Listing {
	return Listing{
		Parent: repo.Key, Name: pullRequests, Title: "pull requests of " + repo.FullName, Direct: true, Repo: repo,
		Pages: func(ctx context.Context, yield func(bitbucket.Page) error) error {
			return r.c.PullRequestsSince(ctx, repo, since, yield)
		},
	}
}

func (r cloudReader) Exists(ctx context.Context, ref bitbucket.Ref) (bitbucket.Presence, error) {
	return r.c.Exists(ctx, ref)
}

// Outside is true of nothing: what a workspace holds is covered with it.
func (r cloudReader) Outside(graph.Entity) bool { return false }

// Poll reads the projects of a workspace and the repositories that were updated.
func (r cloudReader) Poll(account bitbucket.Place, since time.Time) (all, recent Listing, ok bool) {
	ws := cloud.Workspace{Slug: account.OwnerSlug, UUID: account.OwnerID}
	all = Listing{Parent: account.Key, Name: projects, Title: projects + " of " + ws.Slug, Pages: func(ctx context.Context, yield func(bitbucket.Page) error) error {
		return r.c.Projects(ctx, ws, yield)
	}}
	recent = Listing{Parent: account.Key, Name: repositories, Title: repositories + " of " + ws.Slug, Pages: func(ctx context.Context, yield func(bitbucket.Page) error) error {
		return r.c.RepositoriesSince(ctx, ws, since, yield)
	}}
	return all, recent, true
}
