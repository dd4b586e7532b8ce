package cloud

import (
	"cmp"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// The converters turn one wire object into one graph object. They return false where not even the identity is
// readable; whatever else is odd is named in the record and costs only the property concerned.

func convertWorkspace(j bitbucket.JSON) (graph.Object, *bitbucket.Record, bool) {
	w := readWorkspace(j)
	id, ok := readUUID(w.uuid)
	if !ok {
		return graph.Object{}, nil, false
	}
	r := bitbucket.NewRecord(8)
	r.Props["id"] = id
	slug := r.Text("slug", w.slug)
	name := r.Text("name", w.name)
	r.Flag("isPrivate", w.isPrivate)
	setLink(r, w.links)
	r.Time("createdOn", w.createdOn)
	r.Time("updatedOn", w.updatedOn)
	return graph.Object{Entity: graph.Entity{
		Key: thingKey(id), Type: graph.TypeWorkspace, Name: cmp.Or(name, slug, id), Properties: r.Props,
		Source: graph.Provider, Raw: bitbucket.Scrub(j),
	}}, r, true
}

func convertProject(j bitbucket.JSON, ws Workspace) (graph.Object, *bitbucket.Record, bool) {
	p := readProject(j)
	id, ok := readUUID(p.uuid)
	if !ok {
		return graph.Object{}, nil, false
	}
	r := bitbucket.NewRecord(10)
	r.Props["id"] = id
	key := r.Text("key", p.key)
	name := r.Text("name", p.name)
	r.Text("description", p.description)
	r.Negated("public", p.isPrivate)
	r.Props["workspace"] = ws.Slug
	r.Props["ownerId"] = ws.UUID
	setLink(r, p.links)
	r.Time("createdOn", p.createdOn)
	revision := r.Time("updatedOn", p.updatedOn)
	owner := thingKey(ws.UUID)
	return graph.Object{
		Entity: graph.Entity{
			Key: thingKey(id), Type: graph.TypeProject, Name: cmp.Or(name, key, id), Properties: r.Props, Home: owner,
			Source: graph.Provider, Revision: revision, Raw: bitbucket.Scrub(j),
		},
		Relationships: []graph.Relationship{{From: owner, Verb: graph.Owns, To: thingKey(id)}},
	}, r, true
}

// convertUser converts an account as it is embedded everywhere: in memberships, as author, reviewer, participant.
func convertUser(j bitbucket.JSON) (graph.Object, *bitbucket.Record, bool) {
	a := readAccount(j)
	id, ok := readUUID(a.uuid)
	if !ok {
		return graph.Object{}, nil, false
	}
	r := bitbucket.NewRecord(10)
	r.Props["id"] = id
	name := r.Text("name", a.displayName)
	nickname := r.Text("nickname", a.nickname)
	r.Text("username", a.username)
	r.Text("accountId", a.accountID)
	r.Text("userType", a.kind)
	if status, ok := a.status.Text(); ok {
		r.Props["active"] = status == "active"
	}
	setLink(r, a.links)
	r.Time("createdOn", a.createdOn)
	return graph.Object{Entity: graph.Entity{
		Key: userKey(id), Type: graph.TypeUser, Name: cmp.Or(name, nickname, id), Properties: r.Props,
		Source: graph.Provider, Raw: bitbucket.Scrub(j),
	}}, r, true
}

// convertMember converts a membership of a workspace: the user, and that the workspace has them.
func convertMember(j bitbucket.JSON, ws Workspace) (graph.Object, *bitbucket.Record, bool) {
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

func convertRepository(j bitbucket.JSON, ws Workspace) (repoResult, *bitbucket.Record, bool) {
	w := readRepository(j)
	id, ok := readUUID(w.uuid)
	if !ok {
		return repoResult{}, nil, false
	}
	r := bitbucket.NewRecord(24)
	r.Props["id"] = id
	fullName := strings.ToLower(r.Text("fullName", w.fullName))
	owner, last, _ := strings.Cut(fullName, "/")
	if fullName != "" {
		r.Props["fullName"] = fullName
		r.Props["owner"] = owner
	}
	slug := r.Text("slug", w.slug)
	if slug == "" && last != "" {
		slug = last
		r.Props["slug"] = slug
	}
	name := r.Text("name", w.name)
	r.Props["ownerId"] = ws.UUID
	r.Negated("public", w.isPrivate)
	r.Text("description", w.description)
	r.Text("defaultBranch", bitbucket.Inner(w.mainBranch, "name"))
	r.Text("forkPolicy", w.forkPolicy)
	if !w.parent.Missing() {
		r.Props["isFork"] = !w.parent.Null()
		setUUID(r, "parentId", w.parent)
	}
	r.Text("language", w.language)
	r.Text("scm", w.scm)
	r.Flag("hasIssues", w.hasIssues)
	r.Flag("hasWiki", w.hasWiki)
	r.Link("website", w.website)
	r.Number("size", w.size)
	setLink(r, w.links)
	r.Time("createdOn", w.createdOn)
	revision := r.Time("updatedOn", w.updatedOn)

	key, wsKey := thingKey(id), thingKey(ws.UUID)
	out := repoResult{object: graph.Object{
		Entity: graph.Entity{
			Key: key, Type: graph.TypeRepo, Name: cmp.Or(name, slug, id), Properties: r.Props, Home: wsKey,
			Source: graph.Provider, Revision: revision, Raw: bitbucket.Scrub(j),
		},
		Relationships: []graph.Relationship{{From: wsKey, Verb: graph.Owns, To: key}},
	}}
	projectKey, short := "", ""
	if projectID := setUUID(r, "projectId", w.project); projectID != "" {
		short = r.Text("projectKey", bitbucket.Inner(w.project, "key"))
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
		Key: key, WorkspaceSlug: ws.Slug, WorkspaceUUID: ws.UUID, ProjectKey: projectKey, Project: short, Slug: slug, UUID: id,
		Name: cmp.Or(name, slug), FullName: fullName, UpdatedOn: revision,
	}
	return out, r, true
}
