package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
)

// historyDays is how far back the graph goes: on the first of them everything was read for the first time.
const historyDays = 30

// past is a made-up workspace and what happened in it. Everything about a thing follows from the seed and its number, so
// nothing is kept, and the days after the last one go on where the history ends.
type past struct {
	begin, end                                     time.Time
	workspaces, projects, repos, users, groups     int
	permissions, restrictions, branches, prs, more int // more: pull requests of the days behind the end
	seed                                           uint64
}

func newPast(entities int, seed uint64) *past {
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	p := &past{
		begin: begin, end: begin.AddDate(0, 0, historyDays), workspaces: 3, repos: entities / 200, users: entities / 50, groups: entities / 1000,
		projects: entities / 2000, permissions: entities * 3 / 100, restrictions: entities / 100, branches: entities / 100, seed: seed,
	}
	p.prs = entities - p.workspaces - p.projects - p.repos - p.users - p.groups - p.permissions - p.restrictions - p.branches
	p.more = p.prs / 20
	return p
}

func (p *past) random(what string, i int) *rand.Rand {
	h := p.seed
	for _, c := range what {
		h = h*31 + uint64(c)
	}
	return rand.New(rand.NewPCG(h, uint64(i)))
}

// seen is when a run noticed what happened at a time: in the next hour, and not before the first run.
func (p *past) seen(at time.Time, i int) time.Time {
	if at.Before(p.begin) {
		at = p.begin
	}
	return at.Truncate(time.Hour).Add(time.Hour + time.Duration(i%60_000_000)*time.Microsecond)
}

// state is how a thing was from a moment on.
type state struct {
	at    time.Time // observed
	name  string
	props graph.Properties
}

// gone is when a repository was deleted; it takes what is in it along. Zero for most.
func (p *past) gone(repo int) time.Time {
	r := p.random("gone", repo)
	if r.IntN(100) != 0 {
		return time.Time{}
	}
	return p.seen(p.begin.Add(time.Duration(r.IntN(historyDays*24))*time.Hour), repo)
}

func (p *past) repoKey(i int) string { return fmt.Sprintf("cloud:00000000-0000-4000-8000-%012d", i) }

func (p *past) userKey(i int) string {
	return fmt.Sprintf("cloud:user:00000000-0000-4000-9000-%012d", i)
}

func (p *past) prKey(repo, i int) string {
	return fmt.Sprintf("%s:pr:%d", p.repoKey(repo), i)
}

// repo returns the states of a repository: one in twenty was renamed.
func (p *past) repo(i int) []state {
	r := p.random("repo", i)
	at := func(name string, when time.Time) state {
		return state{at: when, name: name, props: graph.Properties{
			"name": name, "slug": name, "fullName": "acme/" + name, "id": p.repoKey(i)[6:], "public": i%10 == 0, "description": "What " + name + " is for",
			"defaultBranch": "main", "forkPolicy": "no_public_forks", "language": "go", "scm": "git", "projectKey": fmt.Sprintf("P%d", i%p.projects),
			"webLink": "https://bitbucket.org/acme/" + name, "createdOn": p.begin.AddDate(0, 0, -400).UnixMilli(), "size": int64(r.IntN(1 << 30)),
		}}
	}
	out := []state{at(fmt.Sprintf("repo-%d", i), p.begin.Add(time.Minute))}
	if r.IntN(20) == 0 {
		out = append(out, at(fmt.Sprintf("renamed-%d", i), p.seen(p.begin.Add(time.Duration(r.IntN(historyDays*24))*time.Hour), i)))
	}
	return out
}

// permission is a grant: whose it is, where, and its levels; revoked is when it ended, zero for most.
type permission struct {
	repo, user, group int // user is -1 for a group's
	states            []state
	revoked           time.Time
}

func (p *past) permission(i int) permission {
	r := p.random("permission", i)
	g := permission{repo: i % p.repos, user: r.IntN(p.users), group: r.IntN(p.groups)}
	if i%3 == 0 {
		g.user = -1
	}
	levels := []string{"read", "write", "admin"}
	at := func(level string, when time.Time) state {
		return state{at: when, name: level + " for somebody", props: graph.Properties{"name": "repository_user_permission", "permission": level, "resourceKey": p.repoKey(g.repo)}}
	}
	first := r.IntN(3)
	g.states = []state{at(levels[first], p.begin.Add(time.Hour))}
	when := func() time.Time {
		return p.seen(p.begin.Add(time.Duration(2+r.IntN(historyDays*24-2))*time.Hour), i)
	}
	switch n := r.IntN(100); {
	case n < 20:
		g.states = append(g.states, at(levels[(first+1)%3], when()))
	case n < 25:
		g.revoked = when()
	}
	return g
}

// pullRequest is one with everything that happened to it.
type pullRequest struct {
	repo, author int
	reviewers    []int
	steps        []step
}

// step is what a pull request was from a moment on.
type step struct {
	at        time.Time // observed
	state     string
	approvals int // how many of the reviewers approved
	edits     int
}

// pullRequest returns one of them: most were settled before the first run, one in ten was opened within the history, a
// few are left open. Repositories differ in size as they do in life.
func (p *past) pullRequest(i int) pullRequest {
	r := p.random("pr", i)
	u := r.Float64()
	pr := pullRequest{repo: int(float64(p.repos) * u * u), author: r.IntN(p.users)}
	for range r.IntN(3) {
		pr.reviewers = append(pr.reviewers, (pr.author+1+r.IntN(p.users-1))%p.users)
	}
	if len(pr.reviewers) == 2 && pr.reviewers[0] == pr.reviewers[1] {
		pr.reviewers = pr.reviewers[:1]
	}
	// The later the number, the later it was opened: the last eleventh within the history and behind it, evenly.
	young := p.prs / 11
	opened := p.begin.AddDate(0, 0, -1-r.IntN(400))
	if i >= p.prs-young {
		opened = p.begin.Add(time.Duration(float64(i-(p.prs-young)) / float64(young) * float64(historyDays*24*time.Hour)))
	} else if i%180 == 0 {
		opened = p.begin.Add(-time.Duration(r.IntN(48)) * time.Hour)
	}
	hours := func(mean float64) time.Duration { return time.Duration(r.ExpFloat64() * mean * float64(time.Hour)) }
	s := step{at: opened, state: "OPEN"}
	pr.steps = []step{s}
	at := opened
	next := func(after time.Duration) {
		at = at.Add(after)
		s.at = at
		pr.steps = append(pr.steps, s)
	}
	if r.IntN(5) == 0 {
		s.edits++
		next(hours(8))
	}
	for range pr.reviewers {
		s.approvals++
		next(hours(16))
	}
	if r.IntN(100) != 0 || i < p.prs-young && i%180 != 0 {
		s.state = "MERGED"
		if r.IntN(12) == 0 {
			s.state = "DECLINED"
		}
		next(hours(12))
	}
	return pr
}

// observed keeps of the steps what a run saw: the last one of each hour, nothing from before the first run.
func (p *past) observed(pr pullRequest, i int) []step {
	var out []step
	for _, s := range pr.steps {
		s.at = p.seen(s.at, i)
		if len(out) > 0 && !out[len(out)-1].at.Before(s.at) {
			out[len(out)-1] = s
			continue
		}
		out = append(out, s)
	}
	return out
}

// properties are those of a pull request at a step.
func (p *past) properties(pr pullRequest, i int, s step) graph.Properties {
	opened := pr.steps[0].at
	text := func(list []int) []any {
		out := []any{}
		for _, u := range list {
			out = append(out, p.userKey(u)[11:])
		}
		return out
	}
	names := func(list []int) []any {
		out := []any{}
		for _, u := range list {
			out = append(out, userName(u))
		}
		return out
	}
	props := graph.Properties{
		"id": int64(i), "accountId": "00000000-0000-4000-8000-000000000000", "repoId": p.repoKey(pr.repo)[6:], "repository": fmt.Sprintf("repo-%d", pr.repo),
		"title": fmt.Sprintf("%s part %d of the work, edited %d times", []string{"Fix", "Add", "Remove", "Speed up"}[i%4], i, s.edits),
		"name":  fmt.Sprintf("Change %d", i), "description": "Why it is done, in a sentence that is about as long as people write", "state": s.state,
		"open": s.state == "OPEN", "merged": s.state == "MERGED", "declined": s.state == "DECLINED", "draft": false, "source": fmt.Sprintf("feature/%d", i),
		"target": "main", "sourceCommit": fmt.Sprintf("%012x", i*7+s.edits), "closeSourceBranch": true, "authorId": p.userKey(pr.author)[11:], "author": userName(pr.author),
		"reviewerIds": text(pr.reviewers), "reviewers": names(pr.reviewers), "approverIds": text(pr.reviewers[:s.approvals]), "approvers": names(pr.reviewers[:s.approvals]),
		"approved": s.approvals > 0, "taskCount": int64(i % 3), "commentCount": int64(i % 7), "createdOn": opened.UnixMilli(), "updatedOn": s.at.UnixMilli(),
		"webLink": fmt.Sprintf("https://bitbucket.org/acme/repo-%d/pull-requests/%d", pr.repo, i),
	}
	return props
}

func userName(i int) string {
	first := [...]string{"Ann", "Bob", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana"}
	return fmt.Sprintf("%s Person %d", first[i%len(first)], i)
}

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now returns the moment at which it stands.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}
