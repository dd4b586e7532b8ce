package cloud_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/graph"
)

// placeOf returns the place of an entity that a walk of a workspace has seen.
func placeOf(e graph.Entity, workspace graph.Entity) bitbucket.Place {
	text := func(e graph.Entity, name string) string { s, _ := e.Properties[name].(string); return s }
	p := bitbucket.Place{
		Type: e.Type, Key: e.Key, Name: e.Name, Owner: workspace.Key, OwnerID: text(workspace, "id"), OwnerSlug: text(workspace, "slug"), ID: text(e, "id"),
	}
	switch e.Type {
	case graph.TypeProject:
		p.Project = text(e, "key")
	case graph.TypeRepo:
		p.Project, p.ProjectKey, p.Slug = text(e, "projectKey"), e.Project, text(e, "slug")
		p.Name, p.DefaultBranch = text(e, "fullName"), text(e, "defaultBranch")
	}
	return p
}

// settled is what the lists of settings of a workspace say.
type settled struct {
	places  map[string]graph.Entity // what they were read of
	objects map[string]graph.Object
	met     map[string]graph.Object
	edges   map[string]bool
	odd     []bitbucket.Odd
	calls   map[string]int64 // by name of the list
	raw     bytes.Buffer     // everything that would be kept
}

// settle reads all settings of everything in a workspace, those of a repository with the patterns that its
// restrictions have just shown.
func settle(t *testing.T, c *cloud.Client, workspace string) settled {
	t.Helper()
	all, err := walk(t, c, workspace)
	if err != nil {
		t.Fatal(err)
	}
	out := settled{places: all.entities, objects: map[string]graph.Object{}, met: map[string]graph.Object{}, edges: map[string]bool{}, calls: map[string]int64{}}
	var home graph.Entity
	for _, e := range all.entities {
		if e.Type == graph.TypeWorkspace {
			home = e
		}
	}
	for _, key := range slices.Sorted(maps.Keys(all.entities)) {
		e := all.entities[key]
		p := placeOf(e, home)
		for i, list := range c.Settings(p) {
			if list.List == bitbucket.ListBranches {
				list = c.Settings(p)[i] // the patterns are known by now
			}
			before := c.Calls()
			err := list.Pages(t.Context(), func(page bitbucket.Page) error {
				for _, o := range page.Objects {
					if o.Entity.Type == graph.TypeRestriction {
						p.PatternsKnown = true
						if pattern, _ := o.Entity.Properties["pattern"].(string); pattern != "" {
							p.Patterns = append(p.Patterns, pattern)
						}
					}
				}
				out.add(page)
				return nil
			})
			if err != nil {
				t.Fatalf("%s: %v", list.Title, err)
			}
			out.calls[list.List] += c.Calls() - before
		}
	}
	return out
}

func (s *settled) add(p bitbucket.Page) {
	for _, o := range append(append([]graph.Object{}, p.Objects...), p.Met...) {
		for _, r := range o.Relationships {
			s.edges[r.Key()] = true
		}
		s.raw.Write(o.Entity.Raw)
		props, _ := json.Marshal(o.Entity)
		s.raw.Write(props)
	}
	for _, o := range p.Objects {
		s.objects[o.Entity.Key] = o
	}
	for _, o := range p.Met {
		s.met[o.Entity.Key] = o
	}
	s.odd = append(s.odd, p.Odd...)
}

// settings returns the objects, the edges and the secrets of a workspace, computed from small pages of the oracle.
func (o oracle) settings(workspace string) (keys map[string]string, edges map[string]bool, secrets []string) {
	keys, edges = map[string]string{}, map[string]bool{}
	ws := "cloud:" + id(o.get("/workspaces/"+workspace))
	principal := func(g map[string]any) string {
		if g["group"] != nil {
			return ws + ":group:" + g["group"].(map[string]any)["slug"].(string)
		}
		return "cloud:user:" + id(g["user"])
	}
	grants := func(place, path string) {
		for _, g := range o.all(path) {
			who := principal(g)
			perm := place + ":perm:" + who
			keys[perm] = fmt.Sprint(g["permission"])
			edges[place+"|ALLOWS|"+perm], edges[who+"|HAS|"+perm] = true, true
		}
	}
	list := func(place, path, part, id string) (all []map[string]any) {
		all = o.all(path)
		for _, x := range all {
			key := place + part + strings.Trim(strings.TrimSuffix(fmt.Sprint(x[id]), ".0"), "{}")
			if n, ok := x[id].(float64); ok {
				key = fmt.Sprintf("%s%s%.0f", place, part, n)
			}
			keys[key] = fmt.Sprint(x["type"])
			edges[place+"|HAS|"+key] = true
		}
		return all
	}
	hooks := func(place, path string) {
		for _, h := range list(place, path, ":hook:", "uuid") {
			url := h["url"].(string)
			if _, after, ok := strings.Cut(url, "token="); ok {
				secrets = append(secrets, after)
			}
			if before, _, ok := strings.Cut(url, "@"); ok {
				secrets = append(secrets, before[strings.LastIndexByte(before, ':')+1:])
			}
		}
	}
	groups := []map[string]any{}
	if err := json.Unmarshal(o.bytes(o.url+"/1.0/groups/"+workspace), &groups); err != nil {
		o.t.Fatal(err)
	}
	for _, g := range groups {
		key := ws + ":group:" + g["slug"].(string)
		keys[key] = g["name"].(string)
		edges[ws+"|HAS|"+key] = true
		for _, m := range g["members"].([]any) {
			edges[key+"|HAS|cloud:user:"+id(m)] = true
		}
	}
	grants(ws, "/workspaces/"+workspace+"/permissions?pagelen=7")
	hooks(ws, "/workspaces/"+workspace+"/hooks")
	for _, p := range o.all("/workspaces/" + workspace + "/projects") {
		place, at := "cloud:"+id(p), "/workspaces/"+workspace+"/projects/"+p["key"].(string)
		grants(place, at+"/permissions-config/users?pagelen=2")
		grants(place, at+"/permissions-config/groups?pagelen=2")
		for _, v := range o.all(at + "/default-reviewers") {
			edges["cloud:user:"+id(v["user"])+"|REVIEWS|"+place] = true
		}
		keys[place] = "restated"
		list(place, at+"/deploy-keys", ":key:", "id")
	}
	for _, r := range o.all("/repositories/" + workspace + "?pagelen=7") {
		place, at := "cloud:"+id(r), "/repositories/"+workspace+"/"+r["slug"].(string)
		main, _ := r["mainbranch"].(map[string]any)
		patterns := []string{}
		if main != nil {
			patterns = append(patterns, main["name"].(string))
		}
		for _, x := range list(place, at+"/branch-restrictions?pagelen=2", ":restriction:", "id") {
			key := fmt.Sprintf("%s:restriction:%.0f", place, x["id"])
			for _, u := range x["users"].([]any) {
				edges[key+"|ALLOWS|cloud:user:"+id(u)] = true
			}
			for _, g := range x["groups"].([]any) {
				edges[key+"|ALLOWS|"+principal(map[string]any{"group": g})] = true
			}
			if pattern := x["pattern"].(string); pattern != "" {
				patterns = append(patterns, pattern)
			}
		}
		grants(place, at+"/permissions-config/users?pagelen=2")
		grants(place, at+"/permissions-config/groups?pagelen=2")
		for _, v := range o.all(at + "/default-reviewers") {
			edges["cloud:user:"+id(v)+"|REVIEWS|"+place] = true
		}
		keys[place] = "restated"
		hooks(place, at+"/hooks")
		list(place, at+"/deploy-keys", ":key:", "id")
		list(place, at+"/environments", ":env:", "uuid")
		for _, b := range o.all(at + "/refs/branches?pagelen=3") {
			name := b["name"].(string)
			for _, pattern := range patterns {
				if ok, _ := path.Match(pattern, name); ok {
					keys[place+":branch:"+name] = "branch"
					edges[place+"|HAS|"+place+":branch:"+name] = true
				}
			}
		}
	}
	return keys, edges, secrets
}
