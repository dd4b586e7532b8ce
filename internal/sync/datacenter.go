package sync

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
)

// DataCenter returns the reader of a Bitbucket Data Center connection. wanted are the keys of the projects that it was
// limited to, as the client knows them; none means the whole instance. others are as in Cloud.
func DataCenter(c *datacenter.Client, others map[bitbucket.Role]*datacenter.Client, wanted []string) Reader {
	return dataCenterReader{clients: clients[*datacenter.Client]{c, others}, c: c, wanted: wanted}
}

type dataCenterReader struct {
	clients[*datacenter.Client]
	c      *datacenter.Client
	wanted []string
}

// Accounts reads the one instance.
func (r dataCenterReader) Accounts(ctx context.Context) ([]Account, error) {
	in, err := r.c.Instance(ctx)
	if err != nil {
		return nil, err
	}
	list := func(name string, read func(context.Context, func(bitbucket.Page) error) error) Listing {
		return Listing{Parent: in.Key, Name: name, Title: name + " of " + in.Name, Direct: true, Pages: read}
	}
	projects, repositories := list(projects, r.c.Projects), list(repositories, r.c.Repositories)
	if len(r.wanted) > 0 {
		projects.Outside, repositories.Outside = r.outside("key"), r.outside("projectKey")
	}
	return []Account{{
		Key: in.Key, Name: in.Name, Page: in.Page, Listings: []Listing{projects, list(users, r.c.Users), repositories},
	}}, nil
}

// outside tests whether the project that a property names is one that is not wanted any more. Keys are told apart
// without regard to case, as the vendor does.
func (r dataCenterReader) outside(property string) func(store.EntityRow) bool {
	return func(row store.EntityRow) bool {
		key, known := row.Properties[property].(string)
		return known && !slices.ContainsFunc(r.wanted, func(w string) bool { return strings.EqualFold(w, key) })
	}
}

func (r dataCenterReader) PullRequests(repo bitbucket.RepoRef, since time.Time) Listing {
	return Listing{
		Parent: repo.Key, Name: pullRequests, Title: "pull requests of " + repo.FullName, Direct: true, Repo: repo,
		Pages: func(ctx context.Context, yield func(bitbucket.Page) error) error {
			return r.c.PullRequestsSince(ctx, repo, since, yield)
		},
	}
}

func (r dataCenterReader) Exists(ctx context.Context, ref bitbucket.Ref) (bitbucket.Presence, error) {
	return r.c.Exists(ctx, ref)
}

// Outside tests the project that an object is or lies in, where projects were chosen.
func (r dataCenterReader) Outside(e graph.Entity) bool {
	if len(r.wanted) == 0 {
		return false
	}
	property := "projectKey"
	if e.Type == graph.TypeProject {
		property = "key"
	}
	return r.outside(property)(store.EntityRow{Entity: e})
}

// Poll reads the projects of the instance. There is no way to ask which repositories were updated (FACTS 124).
func (r dataCenterReader) Poll(account bitbucket.Place, _ time.Time) (all, recent Listing, ok bool) {
	return Listing{Parent: account.Key, Name: projects, Title: projects + " of " + account.Name, Pages: r.c.Projects}, Listing{}, false
}
