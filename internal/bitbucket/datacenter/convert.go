package datacenter

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// The converters turn one wire object into one graph object. They return false where not even the identity is
// readable; whatever else is odd is named in the record and costs only the property concerned.

// convertInstance converts the answer of application-properties (FACTS 104).
func (k keys) convertInstance(j bitbucket.JSON, base string) (graph.Object, *bitbucket.Record) {
	r := bitbucket.NewRecord(6)
	r.Props["id"] = k.iid
	name := r.Text("name", j.Get("displayName"))
	version := r.Text("version", j.Get("version"))
	build := j.Get("buildNumber")
	if n, ok := build.Integer(); ok {
		r.Props["buildNumber"] = strconv.FormatInt(n, 10)
	} else {
		r.Text("buildNumber", build)
	}
	r.Props["webLink"] = base
	if name == "" {
		name = "Bitbucket"
	}
	return graph.Object{Entity: graph.Entity{
		Key: k.instance(), Type: graph.TypeInstance, Name: strings.TrimSpace(name + " " + version), Properties: r.Props,
		Source: graph.Provider, Raw: bitbucket.Scrub(j),
	}}, r
}

func (k keys) convertProject(j bitbucket.JSON) (graph.Object, *bitbucket.Record, bool) {
	p := readProject(j)
	id, ok := readID(p.id)
	if !ok {
		return graph.Object{}, nil, false
	}
	r := bitbucket.NewRecord(10)
	r.Props["id"] = id
	short := r.Text("key", p.key)
	name := r.Text("name", p.name)
	description(r, p.description)
	r.Flag("public", p.public)
	r.Text("projectType", p.kind)
	r.Props["ownerId"] = k.iid
	r.Link("webLink", selfLink(p.links))
	return graph.Object{
		Entity: graph.Entity{
			Key: k.project(id), Type: graph.TypeProject, Name: cmp.Or(name, short, id), Properties: r.Props,
			Home: k.instance(), Source: graph.Provider, Raw: bitbucket.Scrub(j),
		},
		Relationships: []graph.Relationship{{From: k.instance(), Verb: graph.Owns, To: k.project(id)}},
	}, r, true
}

// convertUser converts an account as it is embedded everywhere: in /users, as author, reviewer, participant. The
// account of somebody who was deleted stays in what they did, inactive and without an e-mail address.
func (k keys) convertUser(j bitbucket.JSON) (graph.Object, *bitbucket.Record, bool) {
	a := readAccount(j)
	id, ok := readID(a.id)
	if !ok {
		return graph.Object{}, nil, false
	}
	r := bitbucket.NewRecord(10)
	r.Props["id"] = id
	name := r.Text("name", a.displayName)
	username := r.Text("username", a.name)
	r.Text("slug", a.slug)
	r.Text("email", a.email)
	r.Text("userType", a.kind)
	r.Flag("active", a.active)
	r.Link("webLink", selfLink(a.links))
	return graph.Object{Entity: graph.Entity{
		Key: k.user(id), Type: graph.TypeUser, Name: cmp.Or(name, username, id), Properties: r.Props,
		Source: graph.Provider, Raw: bitbucket.Scrub(j),
	}}, r, true
}

// convertMember converts a user of the instance.
func (k keys) convertMember(j bitbucket.JSON) (graph.Object, *bitbucket.Record, bool) {
	o, r, ok := k.convertUser(j)
	if ok {
		o.Relationships = []graph.Relationship{{From: k.instance(), Verb: graph.Has, To: o.Entity.Key}}
	}
	return o, r, ok
}

// repoResult is what one repository of a page brings.
type repoResult struct {
	object  graph.Object
	ref     bitbucket.RepoRef
	project *graph.Object // as it is embedded
	owner   *graph.Object // of a personal project
}

func (k keys) convertRepository(j bitbucket.JSON) (repoResult, *bitbucket.Record, bool) {
	w := readRepository(j)
	id, ok := readID(w.id)
	if !ok {
		return repoResult{}, nil, false
	}
	r := bitbucket.NewRecord(20)
	r.Props["id"] = id
	slug := r.Text("slug", w.slug)
	name := r.Text("name", w.name)
	r.Props["ownerId"] = k.iid
	description(r, w.description)
	r.Flag("public", w.public)
	r.Flag("archived", w.archived)
	r.Text("state", w.state)
	r.Text("scm", w.scm)
	r.Text("hierarchyId", w.hierarchyID)
	r.Flag("forkPolicy", w.forkable)
	if forkable, ok := r.Props["forkPolicy"].(bool); ok {
		r.Props["forkPolicy"] = map[bool]string{true: "allow_forks", false: "no_forks"}[forkable]
	}
	// Only a fork has an origin, and it loses it when the origin is deleted.
	r.Object("origin", w.origin)
	r.Props["isFork"] = w.origin.IsObject()
	if w.origin.IsObject() {
		if parent, ok := readID(w.origin.Get("id")); ok {
			r.Props["parentId"] = parent
		}
	} else {
		r.Props["parentId"] = nil
	}
	r.Link("webLink", selfLink(w.links))

	key := k.repo(id)
	out := repoResult{object: graph.Object{
		Entity: graph.Entity{
			Key: key, Type: graph.TypeRepo, Name: cmp.Or(name, slug, id), Properties: r.Props, Home: k.instance(),
			Source: graph.Provider, Raw: bitbucket.Scrub(j),
		},
		Relationships: []graph.Relationship{{From: k.instance(), Verb: graph.Owns, To: key}},
	}}
	e := &out.object.Entity
	projectKey, short := "", ""
	if o, pr, ok := k.convertProject(w.project); ok {
		projectKey = o.Entity.Key
		short, _ = pr.Props["key"].(string)
		r.Props["projectId"] = pr.Props["id"]
		if short != "" {
			r.Props["projectKey"] = short
		}
		e.Home, e.Project = projectKey, projectKey
		out.object.Relationships = append(out.object.Relationships, graph.Relationship{From: projectKey, Verb: graph.Has, To: key})
		out.project = &o
		if u, _, ok := k.convertUser(w.project.Get("owner")); ok {
			out.owner = &u
		}
	} else {
		r.Oddly("project", "no project with an id")
		out.object.UnknownVerbs = []string{graph.Has}
	}
	fullName := ""
	if short != "" && slug != "" {
		fullName = strings.ToLower(short + "/" + slug)
		r.Props["fullName"], r.Props["owner"] = fullName, strings.ToLower(short)
	}
	out.ref = bitbucket.RepoRef{
		Key: key, WorkspaceUUID: k.iid, ProjectKey: projectKey, Project: short, Slug: slug, UUID: id,
		Name: cmp.Or(name, slug), FullName: fullName,
	}
	return out, r, true
}

// description sets the description of a project or repository, which is left out where there is none.
func description(r *bitbucket.Record, v bitbucket.JSON) {
	if v.Missing() {
		r.Props["description"] = nil
	}
	r.Text("description", v)
}
