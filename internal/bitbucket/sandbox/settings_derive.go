package sandbox

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strconv"
)

// The functions of this file derive what administrators of the Cloud have set. Nothing that a control act changes goes
// into them but whether an account is gone, so a change of one thing never changes another.

// idsOf is how many ids of restrictions and keys each repository and project has for what is derived.
const idsOf = 32

// firstID is the first id of what is derived for a repository. Ids stay below 2^53, so that every reader of JSON can
// hold them; those of repositories that control acts made come after all others.
func (r *repo) firstID() int64 {
	const made = 1 << 47 // the least index of those that were not generated
	if r.index < made {
		return int64(r.index) * idsOf
	}
	return 1<<40 + int64(r.index&(1<<32-1))*idsOf
}

func (ws *workspace) derive() *settings {
	r := derive(ws.world.seed, streamSettings, uint64(ws.id[0])<<8|uint64(ws.id[1]), 1)
	s := &settings{teams: []team{
		{slug: "administrators", name: "Administrators", permission: "admin"},
		{slug: "developers", name: "Developers", permission: "write", auto: true},
		{slug: "prufer-co", name: "Prüfer & Co", permission: "read"},
		{slug: "releasers", name: "Releasers"},
	}}
	for i := range 2 {
		s.hooks = append(s.hooks, makeHook(&r, i, ws.created+int64(i)*day))
	}
	return s
}

// someUser returns a user whose account is not gone, or nil.
func (w *world) someUser(at int32) *user {
	if u := w.users[int(at)%len(w.users)]; !u.gone {
		return u
	}
	return nil
}

func (s *settings) give(u *user, level string) {
	if u == nil {
		return
	}
	for _, g := range s.users {
		if g.user == u {
			return
		}
	}
	s.users = append(s.users, grant{user: u, level: level})
}

func (p *project) derive() *settings {
	w := p.ws.world
	r := derive(w.seed, streamSettings, binary.BigEndian.Uint64(p.id[:8]))
	s := &settings{}
	for i := range 1 + r.intn(3) {
		s.give(w.someUser(int32(r.skewed(w.people))), []string{"admin", "create-repo", "read"}[i])
	}
	s.groups = []grant{{group: "administrators", level: "admin"}, {group: "developers", level: pick(&r, []string{"write", "create-repo"})}}
	if r.chance(0.3) {
		if u := w.someUser(int32(r.skewed(w.people))); u != nil {
			s.reviewers = append(s.reviewers, u)
		}
	}
	if r.chance(0.3) {
		s.keys = append(s.keys, makeKey(&r, int64(binary.BigEndian.Uint32(p.id[:4]))*idsOf, "deploy of all", p.created+day))
	}
	return s
}

func (r *repo) derive() *settings {
	w := r.ws.world
	g := derive(w.seed, streamSettings, r.index)
	s := &settings{}
	for i, at := range r.team[:min(4, len(r.team))] {
		s.give(w.someUser(at), []string{"admin", "write", "write", "read"}[i])
	}
	s.groups = []grant{{group: "administrators", level: "admin"}}
	for _, slug := range []string{"developers", "releasers", "prufer-co"} {
		if g.chance(0.5) {
			s.groups = append(s.groups, grant{group: slug, level: pick(&g, []string{"write", "write", "read"})})
		}
	}
	if g.chance(0.5) {
		for _, at := range r.team[:min(1+g.intn(3), len(r.team))] {
			if u := w.someUser(at); u != nil && !slices.Contains(s.reviewers, u) {
				s.reviewers = append(s.reviewers, u)
			}
		}
	}
	first := r.firstID()
	s.restrictions = r.protect(&g, first)
	if g.chance(0.4) {
		for i := range 1 + g.intn(2) {
			s.hooks = append(s.hooks, makeHook(&g, i, r.created+int64(i+1)*hour))
		}
	}
	if g.chance(0.4) {
		for i := range 1 + g.intn(2) {
			s.keys = append(s.keys, makeKey(&g, first+int64(i), []string{"ci", "Größe deploy"}[i], r.created+int64(i+1)*day))
		}
	}
	if g.chance(0.5) {
		for i, name := range []string{"Test", "Staging", "Production"} {
			s.environments = append(s.environments, &environment{id: g.uuid(), name: name, kind: name, rank: int64(i)})
		}
		if g.chance(0.3) {
			s.environments = append(s.environments, &environment{id: g.uuid(), name: "Production (größe)", kind: "Production", rank: 3})
		}
	}
	return s
}

// protect makes the restrictions of a repository. Some name a user who is no member of the workspace, as happens where
// people leave.
func (r *repo) protect(g *random, first int64) []*restriction {
	var all []*restriction
	add := func(x restriction) {
		x.id = first + int64(len(all))
		if x.match == "" {
			x.match = "glob"
		}
		all = append(all, &x)
	}
	if !g.chance(0.75) {
		return nil
	}
	var users []*user
	if len(r.team) > 0 {
		if u := r.ws.world.someUser(r.team[0]); u != nil {
			users = append(users, u)
		}
	}
	if g.chance(0.3) {
		if u := r.ws.world.someUser(3); u != nil && !slices.Contains(users, u) {
			users = append(users, u)
		}
	}
	add(restriction{kind: "push", pattern: r.main, users: users, groups: []string{"administrators"}})
	add(restriction{kind: "force", pattern: r.main})
	add(restriction{kind: "delete", pattern: r.main})
	add(restriction{kind: "require_approvals_to_merge", pattern: r.main, value: int64(1 + g.intn(2)), valued: true})
	if g.chance(0.5) {
		add(restriction{kind: "require_passing_builds_to_merge", pattern: r.main, value: 1, valued: true})
	}
	if g.chance(0.3) {
		add(restriction{kind: "require_default_reviewer_approvals_to_merge", pattern: r.main, value: 1, valued: true})
	}
	if g.chance(0.3) {
		add(restriction{kind: "require_tasks_to_be_completed", pattern: "release/*"})
	}
	if g.chance(0.3) {
		add(restriction{kind: "restrict_merges", match: "branching_model", branch: "production", groups: []string{"releasers"}})
		add(restriction{kind: "enforce_merge_checks", match: "branching_model", branch: "production"})
	}
	return all
}

// makeKey makes a key of type Ed25519. Nobody has the other half.
func makeKey(g *random, id int64, label string, added int64) *accessKey {
	const algorithm = "ssh-ed25519"
	b := binary.BigEndian.AppendUint32(nil, uint32(len(algorithm)))
	b = binary.BigEndian.AppendUint32(append(b, algorithm...), 32)
	for range 4 {
		b = binary.BigEndian.AppendUint64(b, g.next())
	}
	k := &accessKey{id: id, label: label, text: algorithm + " " + base64.StdEncoding.EncodeToString(b), added: added}
	if g.chance(0.7) {
		k.used = added + g.span(day, 300*day)
	}
	return k
}

// makeHook makes a hook whose address has something secret in it, as those in the field have.
func makeHook(g *random, i int, at int64) *cloudHook {
	secret := strconv.FormatUint(g.next(), 36)
	h := &cloudHook{id: g.uuid(), active: g.chance(0.9), created: at}
	if g.chance(0.6) {
		h.secret = "signs-" + secret
	}
	if i == 0 {
		h.description, h.url, h.events = "Jenkins", "https://ci.acme.example/hook?token="+secret, []string{"repo:push", "pullrequest:created", "pullrequest:fulfilled"}
	} else {
		h.description, h.url, h.events = "Chat", "https://bot:"+secret+"@chat.acme.example/bitbucket", []string{"pullrequest:approved", "pullrequest:rejected"}
	}
	return h
}
