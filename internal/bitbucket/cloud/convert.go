package cloud

import (
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// The converters turn one wire object into one graph object. They return false where not even the identity is
// readable; whatever else is odd is named in the record and costs only the property concerned.

func convertWorkspace(j bitbucket.JSON) (graph.Object, *record, bool) {
	w := readWorkspace(j)
	id, ok := readUUID(w.uuid)
	if !ok {
		return graph.Object{}, nil, false
	}
	r := newRecord(8)
	r.props["id"] = id
	slug := r.text("slug", w.slug)
	name := r.text("name", w.name)
	r.flag("isPrivate", w.isPrivate)
	r.link(w.links)
	r.time("createdOn", w.createdOn)
	r.time("updatedOn", w.updatedOn)
	return graph.Object{Entity: graph.Entity{
		Key: thingKey(id), Type: graph.TypeWorkspace, Name: firstOf(name, slug, id), Properties: r.props,
		Source: graph.Provider, Raw: bitbucket.Scrub(j),
	}}, r, true
}

func convertProject(j bitbucket.JSON, ws Workspace) (graph.Object, *record, bool) {
	p := readProject(j)
	id, ok := readUUID(p.uuid)
	if !ok {
		return graph.Object{}, nil, false
	}
	r := newRecord(10)
	r.props["id"] = id
	key := r.text("key", p.key)
	name := r.text("name", p.name)
	r.text("description", p.description)
	r.negated("public", p.isPrivate)
	r.props["workspace"] = ws.Slug
	r.props["ownerId"] = ws.UUID
	r.link(p.links)
	r.time("createdOn", p.createdOn)
	revision := r.time("updatedOn", p.updatedOn)
	owner := thingKey(ws.UUID)
	return graph.Object{
		Entity: graph.Entity{
			Key: thingKey(id), Type: graph.TypeProject, Name: firstOf(name, key, id), Properties: r.props, Home: owner,
			Source: graph.Provider, Revision: revision, Raw: bitbucket.Scrub(j),
		},
		Relationships: []graph.Relationship{{From: owner, Verb: graph.Owns, To: thingKey(id)}},
	}, r, true
}

// convertUser converts an account as it is embedded everywhere: in memberships, as author, reviewer, participant.
func convertUser(j bitbucket.JSON) (graph.Object, *record, bool) {
	a := readAccount(j)
	id, ok := readUUID(a.uuid)
	if !ok {
		return graph.Object{}, nil, false
	}
	r := newRecord(10)
	r.props["id"] = id
	name := r.text("name", a.displayName)
	nickname := r.text("nickname", a.nickname)
	r.text("username", a.username)
	r.text("accountId", a.accountID)
	r.text("userType", a.kind)
	if status, ok := a.status.Text(); ok {
		r.props["active"] = status == "active"
	}
	r.link(a.links)
	r.time("createdOn", a.createdOn)
	return graph.Object{Entity: graph.Entity{
		Key: userKey(id), Type: graph.TypeUser, Name: firstOf(name, nickname, id), Properties: r.props,
		Source: graph.Provider, Raw: bitbucket.Scrub(j),
	}}, r, true
}

// convertMember converts a membership of a workspace: the user, and that the workspace has them.
func convertMember(j bitbucket.JSON, ws Workspace) (graph.Object, *record, bool) {
	o, r, ok := convertUser(j.Get("user"))
	if !ok {
		return o, r, false
	}
	o.Relationships = []graph.Relationship{{From: thingKey(ws.UUID), Verb: graph.Has, To: o.Entity.Key}}
	return o, r, true
}

// repoResult is what one repository of a page brings.
type repoResult struct {
	object  graph.Object
	ref     bitbucket.RepoRef
	project *graph.Object // as it is embedded, without what only its own listing tells
}

func convertRepository(j bitbucket.JSON, ws Workspace) (repoResult, *record, bool) {
	w := readRepository(j)
	id, ok := readUUID(w.uuid)
	if !ok {
		return repoResult{}, nil, false
	}
	r := newRecord(24)
	r.props["id"] = id
	fullName := strings.ToLower(r.text("fullName", w.fullName))
	owner, last, _ := strings.Cut(fullName, "/")
	if fullName != "" {
		r.props["fullName"] = fullName
		r.props["owner"] = owner
	}
	slug := r.text("slug", w.slug)
	if slug == "" && last != "" {
		slug = last
		r.props["slug"] = slug
	}
	name := r.text("name", w.name)
	r.props["ownerId"] = ws.UUID
	r.negated("public", w.isPrivate)
	r.text("description", w.description)
	r.text("defaultBranch", inner(w.mainBranch, "name"))
	r.text("forkPolicy", w.forkPolicy)
	if !w.parent.Missing() {
		r.props["isFork"] = !w.parent.Null()
		r.uuid("parentId", w.parent)
	}
	r.text("language", w.language)
	r.text("scm", w.scm)
	r.flag("hasIssues", w.hasIssues)
	r.flag("hasWiki", w.hasWiki)
	if s := r.text("website", w.website); s != "" {
		r.props["website"] = bitbucket.MaskSecrets(s)
	}
	r.number("size", w.size)
	r.link(w.links)
	r.time("createdOn", w.createdOn)
	revision := r.time("updatedOn", w.updatedOn)

	key, wsKey := thingKey(id), thingKey(ws.UUID)
	out := repoResult{object: graph.Object{
		Entity: graph.Entity{
			Key: key, Type: graph.TypeRepo, Name: firstOf(name, slug, id), Properties: r.props, Home: wsKey,
			Source: graph.Provider, Revision: revision, Raw: bitbucket.Scrub(j),
		},
		Relationships: []graph.Relationship{{From: wsKey, Verb: graph.Owns, To: key}},
	}}
	projectKey := ""
	if projectID := r.uuid("projectId", w.project); projectID != "" {
		r.text("projectKey", inner(w.project, "key"))
		projectKey = thingKey(projectID)
		out.object.Entity.Home, out.object.Entity.Project = projectKey, projectKey
		out.object.Relationships = append(out.object.Relationships, graph.Relationship{From: projectKey, Verb: graph.Has, To: key})
		if o, _, ok := convertProject(w.project, ws); ok {
			o.Entity.Raw = nil // the short form must not replace the whole one
			out.project = &o
		}
	} else if !w.project.Null() {
		out.object.UnknownVerbs = []string{graph.Has}
	}
	out.ref = bitbucket.RepoRef{
		Key: key, WorkspaceSlug: ws.Slug, WorkspaceUUID: ws.UUID, ProjectKey: projectKey, Slug: slug, UUID: id,
		Name: firstOf(name, slug), FullName: fullName, UpdatedOn: revision,
	}
	return out, r, true
}

func firstOf(names ...string) string {
	for _, n := range names {
		if n != "" {
			return n
		}
	}
	return ""
}
