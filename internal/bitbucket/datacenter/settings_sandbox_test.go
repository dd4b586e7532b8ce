package datacenter_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/graph"
)

// instancePlace is the place of a whole instance.
func instancePlace() bitbucket.Place {
	return bitbucket.Place{Type: graph.TypeInstance, Key: "dc:i1", Name: "Bitbucket", Owner: "dc:i1", OwnerID: "i1"}
}

// placesOf are the projects and repositories of a walk.
func placesOf(s seen) (projects, repos []bitbucket.Place) {
	for _, k := range slices.Sorted(maps.Keys(s.entities)) {
		if e := s.entities[k]; e.Type == graph.TypeProject {
			short := e.Properties["key"].(string)
			projects = append(projects, bitbucket.Place{Type: e.Type, Key: k, Name: short, Owner: "dc:i1", OwnerID: "i1", ID: e.Properties["id"].(string), Project: short})
		}
	}
	for _, r := range s.repos {
		repos = append(repos, bitbucket.Place{
			Type: graph.TypeRepo, Key: r.Key, Name: r.FullName, Owner: "dc:i1", OwnerID: "i1", ID: r.UUID, Project: r.Project, ProjectKey: r.ProjectKey, Slug: r.Slug,
		})
	}
	return projects, repos
}

// readSettings is what all lists of a place brought.
type readSettings struct {
	found
	objects map[string]graph.Object // those that are not the place itself
	about   graph.Properties        // of the place itself
	met     map[string]graph.Entity
	lists   []string
}

// read reads all lists of a place.
func read(t *testing.T, c *datacenter.Client, p bitbucket.Place) readSettings {
	t.Helper()
	out := readSettings{found: newFound(), objects: map[string]graph.Object{}, about: graph.Properties{}, met: map[string]graph.Entity{}}
	for _, s := range c.Settings(p) {
		out.lists = append(out.lists, s.List)
		if s.Title == "" || s.Right.Feature == "" || len(s.Right.Kinds) == 0 {
			t.Errorf("%s has no title or no right: %+v", s.List, s)
		}
		err := s.Pages(t.Context(), func(page bitbucket.Page) error {
			if len(page.Odd) > 0 || page.RequestedAt.IsZero() || page.Principal == "" || page.Again {
				t.Errorf("%s: odd %v, at %v by %q, again %t", s.Title, page.Odd, page.RequestedAt, page.Principal, page.Again)
			}
			checkDeclared(t, append(append([]graph.Object{}, page.Objects...), page.Met...))
			for _, o := range page.Objects {
				out.add(t, p, o)
			}
			for _, o := range page.Met {
				out.met[o.Entity.Key] = o.Entity
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", s.Title, err)
		}
	}
	return out
}

func (out *readSettings) add(t *testing.T, p bitbucket.Place, o graph.Object) {
	t.Helper()
	e := o.Entity
	for _, r := range o.Relationships {
		out.edges[r.Key()] = true
	}
	if e.Key == p.Key {
		if e.Type != p.Type || e.Name != "" || e.Home != "" || e.Raw != nil || e.Revision != 0 {
			t.Errorf("%s is restated as %+v", p.Key, e)
		}
		maps.Copy(out.about, e.Properties)
		return
	}
	out.objects[e.Key] = o
	text := e.Type
	for _, name := range []string{"permission", "type", "matchKind", "pattern"} {
		if s, ok := e.Properties[name].(string); ok {
			text += " " + s
		}
	}
	switch e.Type {
	case graph.TypeGroup:
		text += " " + e.Name
	case graph.TypeBranch:
		text += fmt.Sprintf(" default %v protected %v", e.Properties["isDefault"], e.Properties["isProtected"] == true)
	}
	out.entities[e.Key] = text
	if e.Name == "" || e.Home != p.Key || e.Properties["ownerId"] != "i1" || p.Type == graph.TypeRepo && (e.Repo != p.Key || e.Project != p.ProjectKey) {
		t.Errorf("%s of %s: name %q, home %q, repository %q, project %q", e.Key, p.Key, e.Name, e.Home, e.Repo, e.Project)
	}
}

// patterns are what the restrictions of a repository and of its project are about, as far as they say.
func patterns(of ...readSettings) (list []string, known bool) {
	known = true
	for _, s := range of {
		for _, o := range s.objects {
			if p := o.Entity.Properties; o.Entity.Type == graph.TypeRestriction {
				if strings.HasPrefix(p["matchKind"].(string), "MODEL_") {
					known = false
				} else {
					list = append(list, p["pattern"].(string))
				}
			}
		}
	}
	return list, known
}

// TestSettingsOfWholeSandbox reads every list of every place and compares with what an independent reader computes, in
// all versions; nobody and nothing that is linked to may be unknown.
func TestSettingsOfWholeSandbox(t *testing.T) {
	for _, version := range []string{"7.6", "8.9", "9.4", "10.0"} {
		t.Run(version, func(t *testing.T) {
			s := box(t, sandbox.Options{Repositories: 20, PullRequests: 20, Users: 14, Seed: 7, DCVersion: version, DCISODates: version == "10.0"})
			projects, repos := changeEverything(t, s)
			c := openBox(t, s.Handler(), with(adminPassword))
			got, err := walk(t, c)
			if err != nil {
				t.Fatal(err)
			}
			known := maps.Clone(got.entities)
			check := func(p bitbucket.Place, is readSettings, want found) {
				t.Helper()
				if diff := gocmp.Diff(want.entities, is.entities); diff != "" {
					t.Errorf("%s (-want +got):\n%s", p.Name, diff)
				}
				if diff := gocmp.Diff(want.edges, is.edges); diff != "" {
					t.Errorf("relationships of %s (-want +got):\n%s", p.Name, diff)
				}
				maps.Copy(known, is.met)
				for k, o := range is.objects {
					known[k] = o.Entity
				}
				for edge := range is.edges {
					ends := strings.Split(edge, "|")
					for _, end := range []string{ends[0], ends[2]} {
						if known[end].Type == "" {
							t.Errorf("%s: %s leads to nothing that was read", p.Name, edge)
						}
					}
				}
			}
			o := settingsOracle{oracle{t: t, handler: s.Handler()}}
			here := read(t, c, instancePlace())
			for _, k := range slices.Sorted(maps.Keys(here.objects)) {
				if e := here.objects[k].Entity; e.Type == graph.TypeGroup {
					members := read(t, c, bitbucket.Place{Type: e.Type, Key: k, Name: e.Name, Owner: "dc:i1", OwnerID: "i1"})
					maps.Copy(here.edges, members.edges)
					maps.Copy(here.met, members.met)
				}
			}
			check(instancePlace(), here, o.instance())

			ofProject := map[string]readSettings{}
			hooks := version != "7.6"
			all, listed := placesOf(got)
			for _, p := range all {
				is := read(t, c, p)
				ofProject[p.Key] = is
				check(p, is, o.place("/projects/"+p.Project, p.Key, "PROJECT", hooks))
				if slices.Contains(is.lists, bitbucket.ListWebhooks) != hooks {
					t.Errorf("lists of a project: %q", is.lists)
				}
				if want := map[bool]string{true: "write", false: is.about["defaultPermission"].(string)}[p.Project == projects]; is.about["defaultPermission"] != want {
					t.Errorf("default permission of %s: %v, want %s", p.Name, is.about, want)
				}
			}
			counts := map[string]int{}
			for _, p := range listed {
				at := "/projects/" + p.Project + "/repos/" + p.Slug
				first := read(t, c, p)
				p.Patterns, p.PatternsKnown = patterns(first, ofProject[p.ProjectKey])
				is := read(t, c, p)
				want := o.place(at, p.Key, "REPOSITORY", true)
				o.branches(want, at, p.Key)
				check(p, is, want)
				for _, o := range is.objects {
					counts[o.Entity.Type]++
				}
				if main, ok := is.about["defaultBranch"].(string); ok && is.objects[p.Key+":branch:"+main].Entity.Key == "" {
					t.Errorf("%s: the default branch %q is not listed", p.Name, main)
				}
				if p.Project+"/"+p.Slug == repos {
					checkHook(t, is)
				}
				checkKeys(t, is, version)
			}
			for _, typ := range []string{graph.TypePermission, graph.TypeRestriction, graph.TypeWebhook, graph.TypeKey, graph.TypeBranch} {
				if counts[typ] == 0 {
					t.Errorf("there is no %s", typ)
				}
			}
		})
	}
}

const canary = "canary"

// changeEverything sets by hand what the sandbox would seldom or never have, and returns where.
func changeEverything(t *testing.T, s *sandbox.Sandbox) (project, repo string) {
	t.Helper()
	d := s.DataCenter()
	for _, r := range (oracle{t: t, handler: s.Handler()}).all("/repos?limit=100") {
		if in := r["project"].(map[string]any); in["type"] == "NORMAL" {
			project, repo = in["key"].(string), in["key"].(string)+"/"+r["slug"].(string)
		}
	}
	at, in := sandbox.Place{Repository: repo}, sandbox.Place{Project: project}
	_, err := d.AddHook(sandbox.HookSpec{
		Place: at, Name: "see https://" + canary + ":" + canary + "@x.example/", URL: "https://" + canary + ":" + canary + "@x.example/?token=" + canary + "&a=b",
		Events: []string{"repo:refs_changed", "pr:opened", "pr:merged"}, Secret: canary, Username: "bot", Password: canary, Active: true,
	})
	must(t, err)
	_, err = d.AddKey(sandbox.KeySpec{Place: at, Label: "deploy", Write: true, Key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl " + canary})
	must(t, err)
	name, err := d.CreateGroup(sandbox.GroupSpec{Name: "Neue & alte?"})
	must(t, err)
	must(t, d.SetGroupMember("", name, "robot-3", true))
	must(t, d.Grant(sandbox.GrantSpec{Place: in, Group: name, Permission: "WRITE"}))
	must(t, d.SetDefaultPermission(project, "WRITE"))
	_, err = d.SetRestriction(sandbox.RestrictionSpec{Place: at, Kind: "no-creates", Match: "PATTERN", Pattern: "*", Users: []string{"robot-3"}, Groups: []string{name}})
	must(t, err)
	_, err = d.SetRestriction(sandbox.RestrictionSpec{Place: in, Kind: "read-only", Match: "PATTERN", Pattern: "release/*"})
	must(t, err)
	must(t, d.SetDefaultReviewers(sandbox.ReviewersSpec{Place: in, Users: []string{"robot-3"}, Approvals: 1}))
	must(t, d.SetDefaultReviewers(sandbox.ReviewersSpec{Place: at, Users: []string{"robot-3", "robot-2"}, Approvals: 2, Branch: "main"}))
	return project, repo
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// checkHook looks for the hook of changeEverything: it is there, and nothing of its secrets is.
func checkHook(t *testing.T, s readSettings) {
	t.Helper()
	hooks := 0
	for _, o := range s.objects {
		all := fmt.Sprint(o.Entity.Name, o.Entity.Properties, string(o.Entity.Raw))
		if strings.Contains(all, canary) {
			t.Errorf("%s shows a secret: %s", o.Entity.Key, all)
		}
		if o.Entity.Type == graph.TypeWebhook && strings.HasPrefix(o.Entity.Name, "see ") {
			hooks++
			if want := []any{"pr:merged", "pr:opened", "repo:refs_changed"}; !gocmp.Equal(o.Entity.Properties["events"], any(want)) {
				t.Errorf("events %v", o.Entity.Properties["events"])
			}
		}
	}
	if hooks != 1 {
		t.Errorf("%d hooks", hooks)
	}
}

// checkKeys holds fingerprints and times.
func checkKeys(t *testing.T, s readSettings, version string) {
	t.Helper()
	for k, o := range s.objects {
		p := o.Entity.Properties
		switch o.Entity.Type {
		case graph.TypeKey:
			created, known := p["createdOn"].(int64)
			if p["algorithm"] != "ssh-ed25519" || len(p["fingerprint"].(string)) != len("SHA256:")+43 || known != (version != "7.6") || known && created < 1e12 {
				t.Errorf("%s: %v", k, p)
			}
			if o.Entity.Name == "deploy" && (p["fingerprint"] != "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU" || p["permission"] != "write") {
				t.Errorf("%s: %v", k, p)
			}
		case graph.TypeWebhook:
			if created, _ := p["createdOn"].(int64); created < 1e12 || (p["sslVerificationRequired"] == nil) != (version == "7.6") || p["scopeType"] != "repository" {
				t.Errorf("%s: %v", k, p)
			}
		}
	}
}
