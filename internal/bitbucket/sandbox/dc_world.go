package sandbox

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// dataCenter is the Data Center side: one instance, with a world of its own in which every project is a workspace
// whose slug is the project's key. So what both products share (repositories, pull requests, git) is found by
// "KEY/slug" as it is by "workspace/slug" in the Cloud. Guarded by Sandbox.mu but for what guard covers.
type dataCenter struct {
	version dcVersion
	world   *world
	repos   []*repo // in the order of /repos
	total   int     // how many were generated
	creds   []*dcCredential
	set     *settings // of the instance; nil: as it was made

	lastUser, lastProject, lastRepo, lastHook int32 // ids that were given

	guard    sync.Mutex // guards what follows
	oauth    dcOAuth
	failures map[*user]int
	buckets  map[string]*bucket
	requests uint64
}

// ordered is a repository's pull requests from the newest to the oldest update, as of a number of edits.
type ordered struct {
	edits int
	prs   []*pullRequest
}

// dc returns the Data Center side, which is made when it is first asked for.
func (s *Sandbox) dc() *dataCenter {
	s.dcOnce.Do(func() {
		s.dcSide = generateDC(s.opts, s.dcVersion)
		s.addKnownDCCredentials(s.dcSide)
	})
	return s.dcSide
}

// project finds a project by its key in either case.
func (d *dataCenter) project(key string) *project {
	for _, ws := range d.world.workspaces {
		if strings.EqualFold(ws.slug, key) {
			return ws.projects[0]
		}
	}
	return nil
}

// repo finds a repository by key and slug in either case.
func (p *project) repo(slug string) *repo {
	if r := p.ws.bySlug[slug]; r != nil {
		return r
	}
	return p.ws.bySlug[strings.ToLower(slug)]
}

// dcRepo finds a repository of the Data Center side by project key and slug, both in either case. The caller holds
// the lock of the world.
func (s *Sandbox) dcRepo(key, slug string) *repo {
	if p := s.dc().project(key); p != nil {
		return p.repo(slug)
	}
	return nil
}

// userBySlug finds a user by the name that paths carry.
func (d *dataCenter) userBySlug(slug string) *user {
	for _, u := range d.world.users {
		if strings.EqualFold(u.slug, slug) {
			return u
		}
	}
	return nil
}

// userByLogin finds a user by the name to sign in with, in either case.
func (d *dataCenter) userByLogin(name string) *user {
	for _, u := range d.world.users {
		if strings.EqualFold(u.login, name) {
			return u
		}
	}
	return nil
}

// relist renews the order of projects and repositories after one was made, renamed, moved or deleted: normal projects
// by key before personal ones, repositories by slug.
func (d *dataCenter) relist() {
	d.world.workspaces = slices.Clone(d.world.workspaces)
	slices.SortStableFunc(d.world.workspaces, func(a, b *workspace) int {
		x, y := a.projects[0].owner != nil, b.projects[0].owner != nil
		switch {
		case x != y && y:
			return -1
		case x != y:
			return 1
		}
		return cmp.Compare(a.slug, b.slug)
	})
	d.repos = nil
	for _, ws := range d.world.workspaces {
		ws.repos = slices.Clone(ws.repos)
		slices.SortFunc(ws.repos, func(a, b *repo) int { return cmp.Compare(a.slug, b.slug) })
		d.repos = append(d.repos, ws.repos...)
	}
}

// byUpdate returns the pull requests of a repository, the one updated last first (FACTS 127). It may be called with
// the world locked for reading.
func (r *repo) byUpdate() []*pullRequest {
	if o := r.newest.Load(); o != nil && o.edits == r.edits {
		return o.prs
	}
	prs := slices.Clone(r.prs)
	slices.SortFunc(prs, func(a, b *pullRequest) int { return cmp.Or(cmp.Compare(b.updated, a.updated), cmp.Compare(b.id, a.id)) })
	r.newest.Store(&ordered{edits: r.edits, prs: prs})
	return prs
}
