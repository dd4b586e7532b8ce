package sync_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// record is what is true, or what a graph says, as lines by key: of every entity its facts, and every relationship.
type record struct{ lines map[string]string }

func newRecord() *record { return &record{map[string]string{}} }

// entity writes down the facts that are not empty.
func (r *record) entity(key, typ string, facts map[string]any) {
	var names []string
	for name, v := range facts {
		if v != nil && v != "" && v != false && fmt.Sprint(v) != "[]" {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	line := typ
	for _, name := range names {
		line += fmt.Sprintf(" %s=%v", name, facts[name])
	}
	r.lines[key] = line
}

func (r *record) edge(from, verb, to string) { r.lines[from+"|"+verb+"|"+to] = "there" }

func (r *record) differences(want *record) (out []string) {
	for k, v := range want.lines {
		if g, ok := r.lines[k]; !ok {
			out = append(out, "missing "+k+": "+v)
		} else if g != v {
			out = append(out, k+":\n\tgot  "+g+"\n\twant "+v)
		}
	}
	for k, v := range r.lines {
		if _, ok := want.lines[k]; !ok {
			out = append(out, "unexpected "+k+": "+v)
		}
	}
	sort.Strings(out)
	return out
}

// recorder turns what is true into the words of the graph.
type recorder struct {
	*record
	instance string // id of an instance; empty for the Cloud
	people   map[string]sandbox.TruthUser
}

// short is how the Cloud writes hashes in pull requests.
func (r *recorder) short(hash string) string {
	if r.instance == "" && len(hash) > 12 {
		return hash[:12]
	}
	return hash
}

// user returns the key of somebody and writes them down.
func (r *recorder) user(name string) string {
	u := r.people[name]
	if r.instance != "" {
		key := "dc:" + r.instance + ":user:" + name
		r.entity(key, "bitbucket_user", map[string]any{"name": u.Name, "username": u.Nickname, "active": !u.Gone})
		return key
	}
	key := "cloud:user:" + bare(name)
	r.entity(key, "bitbucket_user", map[string]any{"name": u.Name, "nickname": u.Nickname})
	return key
}

func (r *recorder) key(kind, name string) string {
	if r.instance != "" {
		return "dc:" + r.instance + ":" + kind + ":" + name
	}
	return "cloud:" + bare(name)
}

func newRecorder(t sandbox.Truth, instance string) *recorder {
	r := &recorder{newRecord(), instance, map[string]sandbox.TruthUser{}}
	for _, u := range t.Users {
		r.people[u.ID] = u
	}
	return r
}

// cloudRecord is about one workspace.
func cloudRecord(t sandbox.Truth, slug string) *record {
	r := newRecorder(t, "")
	for _, space := range t.Spaces {
		if space.Slug == slug {
			key := "cloud:" + bare(space.ID)
			r.entity(key, "bitbucket_workspace", map[string]any{"slug": slug, "name": space.Name})
			r.space(space, key)
		}
	}
	return r.record
}

func dataCenterRecord(t sandbox.Truth, instance string) *record {
	r := newRecorder(t, instance)
	r.entity("dc:"+instance, "bitbucket_instance", nil)
	r.space(t.Spaces[0], "dc:"+instance)
	return r.record
}

// space is a workspace or an instance with all that is in it.
func (r *recorder) space(space sandbox.TruthSpace, key string) {
	for _, m := range space.Members {
		r.edge(key, "HAS", r.user(m.User))
	}
	for _, p := range space.Projects {
		at := r.key("project", p.ID)
		facts := map[string]any{"key": p.Key, "name": p.Name, "public": p.Public}
		if p.Owner != "" {
			r.user(p.Owner)
		}
		r.edge(key, "OWNS", at)
		for _, repo := range p.Repositories {
			r.edge(key, "OWNS", r.key("repo", repo.ID))
			r.edge(at, "HAS", r.key("repo", repo.ID))
			r.repository(repo, p, key)
		}
		if p.Owner == "" || personalSettingsAreListed {
			r.settings(p.TruthSettings, at, key)
			if r.instance != "" {
				facts["defaultPermission"] = defaultPermission(p.Everybody)
			}
		}
		r.entity(at, "bitbucket_project", facts)
	}
	for _, g := range space.Groups {
		at := r.group(key, g.Slug)
		r.entity(at, "bitbucket_group", map[string]any{"name": g.Name, "permission": g.Permission})
		r.edge(key, "HAS", at)
		for _, u := range g.Members {
			r.edge(at, "HAS", r.user(u))
		}
	}
	r.settings(space.TruthSettings, key, key)
	if r.instance == "" {
		for _, m := range space.Members {
			level := "member"
			if m.Admin {
				level = "owner"
			}
			r.permission(key, r.user(m.User), level)
		}
	}
}

func defaultPermission(level string) string {
	if level == "" {
		return "none"
	}
	return strings.ToLower(level)
}

func (r *recorder) group(space, slug string) string { return space + ":group:" + slug }

func (r *recorder) repository(repo sandbox.TruthRepository, in sandbox.TruthProject, space string) {
	key := r.key("repo", repo.ID)
	facts := map[string]any{"slug": repo.Slug, "name": repo.Name, "public": repo.Public, "archived": repo.Archived, "projectKey": in.Key, "defaultBranch": repo.DefaultBranch}
	r.entity(key, "bitbucket_repo", facts)
	for _, p := range repo.PullRequests {
		r.pullRequest(p, key)
	}
	r.settings(repo.TruthSettings, key, space)
	for _, b := range repo.Branches {
		if b.Default || b.Protected {
			at := key + ":branch:" + b.Name
			r.entity(at, "bitbucket_branch", map[string]any{"name": b.Name, "commit": b.Head, "isDefault": b.Default, "isProtected": b.Protected})
			r.edge(key, "HAS", at)
		}
	}
}

func (r *recorder) pullRequest(p sandbox.TruthPullRequest, repo string) {
	key := repo + ":pr:" + strconv.Itoa(p.ID)
	facts := map[string]any{
		"title": p.Title, "state": p.State, "draft": p.Draft, "source": p.Source, "target": p.Target,
		"sourceCommit": r.short(p.SourceHash), "mergeCommit": r.short(p.MergeHash), "authorId": bare(p.Author),
	}
	if r.instance == "" {
		facts["closedById"] = bare(p.ClosedBy)
		if p.ClosedBy != "" {
			r.user(p.ClosedBy)
		}
	}
	r.edge(repo, "HAS", key)
	if p.Author != "" {
		r.edge(r.user(p.Author), "OPENED", key)
	}
	var approvers []string
	for _, x := range p.People {
		mine := x.User == p.Author
		if r.instance != "" && mine && !x.Reviewer {
			continue // who wrote it is no participant there
		}
		u := r.user(x.User)
		if x.Verdict == "approved" {
			approvers = append(approvers, bare(x.User))
			r.edge(u, "APPROVED", key)
		}
		if x.Reviewer || x.Verdict != "" || !mine && (x.Active || r.instance != "") {
			r.edge(u, "REVIEWED", key)
		}
	}
	sort.Strings(approvers)
	facts["approverIds"] = approvers
	r.entity(key, "bitbucket_pull_request", facts)
}

// permission writes down a grant.
func (r *recorder) permission(place, principal, level string) {
	key := place + ":perm:" + principal
	r.entity(key, "bitbucket_permission", map[string]any{"permission": level, "principalKey": principal, "resourceKey": place})
	r.edge(place, "ALLOWS", key)
	r.edge(principal, "HAS", key)
}

// settings writes down what was set in a place.
func (r *recorder) settings(s sandbox.TruthSettings, place, space string) {
	for _, g := range s.Grants {
		principal := r.group(space, g.Group)
		if g.User != "" {
			principal = r.user(g.User)
		}
		r.permission(place, principal, strings.ToLower(g.Level))
	}
	for _, x := range s.Restrictions {
		key := fmt.Sprintf("%s:restriction:%d", place, x.ID)
		facts := map[string]any{"name": x.Kind, "matchKind": x.Match, "pattern": x.Pattern, "branchType": x.BranchType}
		if strings.HasPrefix(x.Match, "MODEL_") {
			facts["branchType"] = strings.ToLower(x.Pattern)
		}
		if x.Value != nil {
			facts["value"] = strconv.FormatInt(*x.Value, 10)
		}
		users := make([]string, 0, len(x.Users))
		for _, u := range x.Users {
			users = append(users, bare(u))
			r.edge(key, "ALLOWS", r.user(u))
		}
		groups := slices.Clone(x.Groups)
		for _, g := range groups {
			r.edge(key, "ALLOWS", r.group(space, g))
		}
		sort.Strings(users)
		sort.Strings(groups)
		facts["userIds"], facts["groups"] = users, groups
		r.entity(key, "bitbucket_branch_restriction", facts)
		r.edge(place, "HAS", key)
	}
	for _, u := range s.Reviewers {
		r.edge(r.user(u), "REVIEWS", place)
	}
	for _, h := range s.Hooks {
		key := place + ":hook:" + bare(h.ID)
		events := slices.Clone(h.Events)
		sort.Strings(events)
		r.entity(key, "bitbucket_webhook", map[string]any{"name": h.Name, "url": address(h.URL), "events": events, "active": h.Active})
		r.edge(place, "HAS", key)
	}
	for _, k := range s.Keys {
		key := fmt.Sprintf("%s:key:%d", place, k.ID)
		level := "read"
		if k.Write {
			level = "write"
		}
		r.entity(key, "bitbucket_deploy_key", map[string]any{"name": k.Label, "permission": level, "fingerprint": fingerprint(k.Text)})
		r.edge(place, "HAS", key)
	}
	for _, e := range s.Environments {
		key := place + ":env:" + bare(e.ID)
		r.entity(key, "bitbucket_environment", map[string]any{"name": e.Name, "environmentType": e.Kind})
		r.edge(place, "HAS", key)
	}
}

// address is what may be told of the address of a hook: no user, no password and no query.
func address(ref string) string {
	scheme, rest, _ := strings.Cut(ref, "://")
	rest, _, _ = strings.Cut(rest, "?")
	host, path, _ := strings.Cut(rest, "/")
	return scheme + "://" + host[strings.LastIndexByte(host, '@')+1:] + "/" + path
}

// fingerprint is that of a public key, as ssh-keygen prints it.
func fingerprint(text string) string {
	blob, err := base64.StdEncoding.DecodeString(strings.Fields(text)[1])
	if err != nil {
		return "no key"
	}
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}
