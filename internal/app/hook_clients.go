package app

import (
	"context"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/intake"
	"github.com/windlass-hq/windlass/internal/query"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

// hookClients is what looking after the webhooks of a connection takes of its Bitbucket.
type hookClients struct {
	hooks  intake.HookClient
	places func(ctx context.Context) (places, error) // those that should have a webhook
	// statistics asks what is known of the deliveries of a webhook; nil where nobody can be asked.
	statistics func(ctx context.Context, p bitbucket.Place, id string) (bitbucket.HookStatistics, error)
	close      func()
}

// places are those that should have webhooks.
type places struct {
	all      []bitbucket.Place
	failed   []unseen // those that are named and could not be read
	personal int      // repositories of personal projects, which have no webhooks
}

type unseen struct {
	name string
	err  error
}

func placeOfEntity(e graph.Entity) bitbucket.Place { return sync.PlaceOf(e) }

// hookClients opens the clients of a connection: that of the role for webhooks, where it has credentials of its own, and
// that which reads data.
func (a *App) hookClients(ctx context.Context, conn store.Connection, note func(client.HookProgress)) (hookClients, error) {
	stored, err := a.store.Credentials(ctx, conn.ID)
	if err != nil {
		return hookClients{}, err
	}
	forgone, err := a.forgone(ctx, conn)
	if err != nil {
		return hookClients{}, err
	}
	var list []bitbucket.Credential
	for _, k := range stored {
		if _, refused := forgone[k.ID]; !refused {
			list = append(list, credentialOf(k))
		}
	}
	w := way{onWait: func(until time.Time, why string) { note(client.HookProgress{Waiting: &until, Message: why}) }}
	switch bitbucket.Product(conn.Product) {
	case bitbucket.Cloud:
		data, others, err := sync.ByRole(list, func(role bitbucket.Role) (*cloud.Client, error) {
			w.role = role
			return a.openCloud(conn, list, w)
		})
		if err != nil {
			return hookClients{}, err
		}
		c, all := keeper(data, others)
		return hookClients{
			hooks: c, close: func() { closeAll(all) },
			places: func(ctx context.Context) (places, error) { return cloudPlaces(ctx, data, workspaces(conn)) },
		}, nil
	case bitbucket.DataCenter:
		w.projects = projects(conn)
		data, others, err := sync.ByRole(list, func(role bitbucket.Role) (*datacenter.Client, error) {
			w.role = role
			return a.openDataCenter(conn, list, w)
		})
		if err != nil {
			return hookClients{}, err
		}
		c, all := keeper(data, others)
		return hookClients{
			hooks: c, statistics: c.HookStatistics, close: func() { closeAll(all) },
			places: func(ctx context.Context) (places, error) {
				if _, err := c.Instance(ctx); err != nil { // its version says what can have webhooks
					return places{}, err
				}
				p, err := dataCenterPlaces(ctx, data, c.HookEvents(bitbucket.Place{Type: graph.TypeProject}) != nil)
				if err != nil || len(projects(conn)) > 0 {
					return p, err
				}
				p.personal, err = a.personalRepositories(ctx, conn)
				return p, err
			},
		}, nil
	}
	return hookClients{}, unknownProduct(conn)
}

// keeper returns the client that looks after webhooks, and all of them.
func keeper[C any](data C, others map[bitbucket.Role]C) (keeps C, all []C) {
	keeps, all = data, []C{data}
	for role, c := range others {
		all = append(all, c)
		if role == bitbucket.RoleHooks {
			keeps = c
		}
	}
	return keeps, all
}

func closeAll[C interface{ Close() }](all []C) {
	for _, c := range all {
		c.Close()
	}
}

// cloudPlaces are the workspaces of a connection: those that it names, or all that its credentials reach.
func cloudPlaces(ctx context.Context, c *cloud.Client, wanted []string) (places, error) {
	var p places
	add := func(found []cloud.Workspace) {
		for _, ws := range found {
			p.all = append(p.all, placeOfEntity(ws.Object.Entity))
		}
	}
	if len(wanted) == 0 {
		found, err := c.Workspaces(ctx, nil)
		add(found)
		return p, err
	}
	for _, name := range wanted {
		found, err := c.Workspaces(ctx, []string{name})
		switch {
		case fault.Is(err, fault.NotFound), fault.Is(err, fault.Denied):
			p.failed = append(p.failed, unseen{name, err})
		case err != nil:
			return p, err
		}
		add(found)
	}
	return p, nil
}

// dataCenterPlaces are the projects of a connection, or its repositories where projects have no webhooks yet (FACTS
// 107). Personal projects have none in any version (HARD-PARTS B).
func dataCenterPlaces(ctx context.Context, c *datacenter.Client, ofProjects bool) (places, error) {
	var p places
	known := map[string]bool{}
	read, typ := c.Repositories, graph.TypeRepo
	if ofProjects {
		read, typ = c.Projects, graph.TypeProject
	}
	err := read(ctx, func(page bitbucket.Page) error {
		for _, o := range page.Objects {
			place := placeOfEntity(o.Entity)
			if o.Entity.Type != typ || known[place.Key] || ofProjects && strings.HasPrefix(place.Project, "~") {
				continue
			}
			known[place.Key] = true
			p.all = append(p.all, place)
		}
		return nil
	})
	sortPlaces(p.all)
	if len(p.all) > 0 && (fault.Is(err, fault.NotFound) || fault.Is(err, fault.Denied)) { // one that is named cannot be read
		p.failed, err = append(p.failed, unseen{"a project that the connection names", err}), nil
	}
	return p, err
}

// personalRepositories counts the repositories of personal projects of an instance that the graph knows.
func (a *App) personalRepositories(ctx context.Context, conn store.Connection) (int, error) {
	n := 0
	prefix := "dc:" + conn.Settings["instance"] + ":"
	_, err := a.queries.Run(ctx, query.Request{Text: "FIND bitbucket_repo WITH projectKey ^= '~'", Viewer: query.Everything()}, func(r query.Row) error {
		if key, _ := r.Get("_key").(string); strings.HasPrefix(key, prefix) {
			n++
		}
		return nil
	})
	return n, err
}
