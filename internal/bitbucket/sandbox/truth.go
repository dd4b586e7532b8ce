package sandbox

import (
	"slices"
	"strconv"
	"strings"
)

// Truth is what somebody who sees everything would write down of one product now, in the words of the sandbox. It is
// read from the state itself, by no code that answers requests, so that what a reader collected can be compared with it.
//
// Ids are those that answers carry: UUIDs in braces on the Cloud, numbers as text on Data Center. Accounts that are gone
// are named where the product still shows them: nowhere on the Cloud, where they acted on Data Center.
type Truth struct {
	Users  []TruthUser  // every account
	Spaces []TruthSpace // workspaces; of Data Center one, the instance
}

// TruthUser is an account.
type TruthUser struct {
	ID, Name string
	Nickname string // on Data Center the name to sign in with
	Gone     bool
}

// TruthSpace is a workspace or an instance.
type TruthSpace struct {
	ID, Slug, Name string // of a workspace
	Members        []TruthMember
	Groups         []TruthGroup
	Projects       []TruthProject
	TruthSettings
}

// TruthMember is a member of a workspace, or an account of an instance.
type TruthMember struct {
	User  string
	Admin bool // of a workspace
}

// TruthGroup is a group with its members.
type TruthGroup struct {
	Slug, Name string // the same on Data Center
	Permission string // of the Cloud: on new repositories
	Members    []string
}

// TruthProject is a project with its repositories.
type TruthProject struct {
	ID, Key, Name string
	Public        bool
	Owner         string // of a personal one
	Repositories  []TruthRepository
	TruthSettings
}

// TruthRepository is a repository with its pull requests.
type TruthRepository struct {
	ID, Slug, Name string
	Public         bool
	Archived       bool
	Parent         string // id of what it is a fork of
	DefaultBranch  string // empty while there is no commit
	Branches       []TruthBranch
	PullRequests   []TruthPullRequest
	TruthSettings
}

// TruthBranch is a branch.
type TruthBranch struct {
	Name, Head string
	Default    bool
	Protected  bool // a restriction names it or has a pattern that it matches; those of branching models do not count
}

// TruthPullRequest is a pull request.
type TruthPullRequest struct {
	ID                     int
	State, Title           string
	Draft                  bool
	Author, ClosedBy       string // empty for nobody, or nobody who is shown
	Source, Target         string // branches
	SourceRepository       string // empty where it is gone
	SourceHash, TargetHash string
	MergeHash              string
	Created, Updated       int64 // microseconds
	Closed                 int64 // zero while open
	People                 []TruthParticipant
}

// TruthParticipant is somebody on a pull request.
type TruthParticipant struct {
	User     string
	Reviewer bool
	Verdict  string // approved, changes requested or nothing
	Active   bool   // has done something, other than being asked
}

// TruthSettings are what was set in one place.
type TruthSettings struct {
	Grants       []TruthGrant
	Restrictions []TruthRestriction
	Reviewers    []string // whoever is a default reviewer for some pull request
	Hooks        []TruthHook
	Keys         []TruthKey
	Environments []TruthEnvironment
	Everybody    string // of projects of Data Center: what every user may do
}

// TruthGrant is a direct permission, to a user or a group.
type TruthGrant struct{ User, Group, Level string }

// TruthRestriction is a branch restriction.
type TruthRestriction struct {
	ID                               int64
	Kind, Match, Pattern, BranchType string
	Value                            *int64
	Users, Groups                    []string
	Keys                             []int64
}

// TruthHook is a webhook; its address is the whole one.
type TruthHook struct {
	ID, Name, URL string
	Events        []string
	Active        bool
}

// TruthKey is a deploy key or an access key.
type TruthKey struct {
	ID          int64
	Label, Text string
	Write       bool
}

// TruthEnvironment is an environment.
type TruthEnvironment struct {
	ID, Name, Kind string
	Rank           int64
}

// Truth writes down everything there is on the Cloud.
func (s *Sandbox) Truth() Truth {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := truth{w: s.world}
	out := Truth{Users: t.users()}
	for _, ws := range s.world.workspaces {
		out.Spaces = append(out.Spaces, t.workspace(ws))
	}
	return out
}

// Truth writes down everything there is on Data Center.
func (d DataCenter) Truth() Truth {
	d.s.mu.Lock() // it may have to be made first
	dc := d.s.dc()
	d.s.mu.Unlock()
	d.s.mu.RLock()
	defer d.s.mu.RUnlock()
	t := truth{w: dc.world, dc: dc}
	return Truth{Users: t.users(), Spaces: []TruthSpace{t.instance()}}
}

// truth writes things down. The caller holds the lock of the world.
type truth struct {
	w  *world
	dc *dataCenter // nil: Bitbucket Cloud
}

func (t truth) id(id uuid, number int32) string {
	if t.dc != nil {
		return strconv.Itoa(int(number))
	}
	return id.String()
}

// user names an account, or nobody where it is not shown.
func (t truth) user(u *user) string {
	if u == nil || u.gone && t.dc == nil {
		return ""
	}
	return t.id(u.id, u.number)
}

// here names those accounts that still exist.
func (t truth) here(all []*user) (names []string) {
	for _, u := range all {
		if !u.gone {
			names = append(names, t.user(u))
		}
	}
	return names
}

func (t truth) users() (all []TruthUser) {
	for _, u := range t.w.users {
		x := TruthUser{ID: t.id(u.id, u.number), Name: u.name, Nickname: u.nickname, Gone: u.gone}
		if t.dc != nil {
			x.Nickname = u.login
		}
		all = append(all, x)
	}
	return all
}

func (t truth) workspace(ws *workspace) TruthSpace {
	set := ws.settings()
	out := TruthSpace{ID: ws.id.String(), Slug: ws.slug, Name: ws.name, TruthSettings: t.settings(set, nil)}
	for _, m := range ws.members {
		if !m.user.gone {
			out.Members = append(out.Members, TruthMember{User: t.user(m.user), Admin: m.admin})
		}
	}
	for _, g := range set.teams {
		x := TruthGroup{Slug: g.slug, Name: g.name, Permission: g.permission}
		for _, m := range ws.members {
			if !m.user.gone && ws.in(set, g, m) {
				x.Members = append(x.Members, t.user(m.user))
			}
		}
		out.Groups = append(out.Groups, x)
	}
	for _, p := range ws.projects {
		out.Projects = append(out.Projects, t.project(p))
	}
	return out
}

func (t truth) instance() TruthSpace {
	set := t.dc.settings()
	out := TruthSpace{TruthSettings: t.settings(set, nil)}
	for _, u := range t.w.users {
		if !u.gone && !u.service {
			out.Members = append(out.Members, TruthMember{User: t.user(u)})
		}
	}
	for _, g := range set.teams {
		x := TruthGroup{Slug: g.slug, Name: g.name}
		for _, u := range t.w.users {
			if !u.gone && t.dc.inGroup(u, g.slug) {
				x.Members = append(x.Members, t.user(u))
			}
		}
		out.Groups = append(out.Groups, x)
	}
	for _, ws := range t.w.workspaces {
		out.Projects = append(out.Projects, t.project(ws.projects[0]))
	}
	return out
}

func (t truth) project(p *project) TruthProject {
	out := TruthProject{
		ID: t.id(p.id, p.number), Key: p.key, Name: p.name, Public: !p.private, Owner: t.user(p.owner), TruthSettings: t.settings(p.settings(), p.hooks),
	}
	for _, r := range p.ws.repos {
		if r.project == p {
			out.Repositories = append(out.Repositories, t.repository(r))
		}
	}
	return out
}

func (t truth) repository(r *repo) TruthRepository {
	t.w.hashes(r)
	set := r.settings()
	out := TruthRepository{
		ID: t.id(r.id, r.number), Slug: r.slug, Name: r.name, Public: !r.private, Archived: r.archived, TruthSettings: t.settings(set, r.hooks),
	}
	if r.parent != nil {
		out.Parent = t.id(r.parent.id, r.parent.number)
	}
	if !r.empty {
		out.DefaultBranch = r.main
	}
	rules := set.restrictions
	if t.dc != nil {
		rules = slices.Concat(rules, r.project.settings().restrictions)
	}
	for _, b := range t.w.graph(r).refs(true, false) {
		protected := slices.ContainsFunc(rules, func(x *restriction) bool { return x.names(b.name) })
		out.Branches = append(out.Branches, TruthBranch{Name: b.name, Head: b.at.hash.String(), Default: b.name == r.main, Protected: protected})
	}
	for _, p := range r.prs {
		out.PullRequests = append(out.PullRequests, t.pullRequest(p))
	}
	return out
}

func (t truth) pullRequest(p *pullRequest) TruthPullRequest {
	out := TruthPullRequest{
		ID: int(p.id), State: p.state.String(), Title: p.title, Draft: p.draft, Author: t.user(p.author), ClosedBy: t.user(p.closedBy),
		Source: p.srcBranch, Target: p.dstBranch, SourceHash: text(p.srcHash), TargetHash: text(p.dstHash), MergeHash: text(p.mergeHash),
		Created: p.created, Updated: p.updated, Closed: p.closed,
	}
	if p.source != nil {
		out.SourceRepository = t.id(p.source.id, p.source.number)
	}
	for _, x := range p.people {
		if t.user(x.user) == "" {
			continue
		}
		v := map[verdict]string{approved: "approved", changesRequested: "changes requested"}[x.verdict]
		out.People = append(out.People, TruthParticipant{User: t.user(x.user), Reviewer: x.reviewer, Verdict: v, Active: x.on != 0})
	}
	return out
}

// text is a hash, or nothing for none.
func text(h hash) string {
	if h == (hash{}) {
		return ""
	}
	return h.String()
}

// settings writes down those of a place; hooks are those of Data Center.
func (t truth) settings(s *settings, hooks []*webhook) TruthSettings {
	out := TruthSettings{Everybody: s.everybody, Reviewers: t.here(s.reviewers)}
	for _, g := range slices.Concat(s.users, s.groups) {
		if g.user == nil || !g.user.gone {
			out.Grants = append(out.Grants, TruthGrant{User: t.user(g.user), Group: g.group, Level: g.level})
		}
	}
	for _, x := range s.restrictions {
		y := TruthRestriction{ID: x.id, Kind: x.kind, Match: x.match, Pattern: x.pattern, BranchType: x.branch, Users: t.here(x.users), Groups: slices.Clone(x.groups)}
		if x.valued {
			n := x.value
			y.Value = &n
		}
		for _, k := range x.keys {
			y.Keys = append(y.Keys, k.id)
		}
		out.Restrictions = append(out.Restrictions, y)
	}
	for _, c := range s.conditions {
		for _, name := range t.here(c.reviewers) {
			if !slices.Contains(out.Reviewers, name) {
				out.Reviewers = append(out.Reviewers, name)
			}
		}
	}
	for _, h := range s.hooks {
		out.Hooks = append(out.Hooks, TruthHook{ID: h.id.String(), Name: h.description, URL: h.url, Events: slices.Clone(h.events), Active: h.active})
	}
	for _, h := range hooks {
		out.Hooks = append(out.Hooks, TruthHook{ID: strconv.Itoa(int(h.id)), Name: h.name, URL: h.url, Events: slices.Clone(h.events), Active: h.active})
	}
	for _, k := range s.keys {
		out.Keys = append(out.Keys, TruthKey{ID: k.id, Label: k.label, Text: k.text, Write: k.write})
	}
	for _, e := range s.environments {
		out.Environments = append(out.Environments, TruthEnvironment{ID: e.id.String(), Name: e.name, Kind: e.kind, Rank: e.rank})
	}
	return out
}

// names says whether a restriction is about a branch by its name or by a pattern.
func (x *restriction) names(branch string) bool {
	switch x.match {
	case "glob":
		return globs(x.pattern, branch)
	case "PATTERN": // need only match an end that begins with a segment
		for rest, ok := branch, true; ok; _, rest, ok = strings.Cut(rest, "/") {
			if globs(x.pattern, rest) {
				return true
			}
		}
		return false
	case "BRANCH":
		return x.pattern == "refs/heads/"+branch
	}
	return x.match == "ANY_REF"
}

// globs matches a name with a pattern in which `**` stands for anything, `*` for anything but a slash and `?` for one
// character but a slash.
func globs(pattern, name string) bool {
	for i := range len(pattern) {
		switch c := pattern[i]; c {
		case '*':
			rest, all := pattern[i+1:], false
			if len(rest) > 0 && rest[0] == '*' {
				rest, all = rest[1:], true
			}
			for n := i; n <= len(name); n++ {
				if globs(rest, name[n:]) {
					return true
				}
				if n < len(name) && name[n] == '/' && !all {
					return false
				}
			}
			return false
		default:
			if i >= len(name) || name[i] != c && (c != '?' || name[i] == '/') {
				return false
			}
		}
	}
	return len(name) == len(pattern)
}
