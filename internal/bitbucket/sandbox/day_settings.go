package sandbox

import "strconv"

// The functions of this file are what administrators set.

func (d *today) grant() (order, bool) {
	at, ok := d.aSetting(0.3)
	if !ok {
		return order{}, false
	}
	levels := dcLevels()
	if d.dc == nil {
		levels = []string{"read", "write", "admin"}
		if at.repo == nil {
			levels = append(levels, "create-repo")
		}
	} else if d.r.chance(0.1) {
		at.Place, levels = Place{}, []string{"LICENSED_USER", "PROJECT_CREATE"}
	}
	o := GrantSpec{Place: at.Place, Permission: pick(&d.r, levels)}
	if d.r.chance(0.4) {
		t, ok := d.aTeam(at.ws)
		o.Group = t.slug
		return order{"grant", o}, ok
	}
	u := d.person(at.ws)
	if u == nil || d.keep[u] {
		return order{}, false
	}
	o.User = d.ref(u)
	return order{"grant", o}, true
}

func (d *today) take() (order, bool) {
	at, ok := d.with(0.3, func(at setting) bool { return len(at.set.users)+len(at.set.groups) > 0 })
	if !ok {
		return order{}, false
	}
	o := GrantSpec{Place: at.Place}
	n := d.r.intn(len(at.set.users) + len(at.set.groups))
	if n < len(at.set.users) {
		u := at.set.users[n].user
		o.User = d.ref(u)
		return order{"grant", o}, !d.keep[u]
	}
	o.Group = at.set.groups[n-len(at.set.users)].group
	return order{"grant", o}, true
}

// ofProjects is how often a setting is one of a project where both products have it there.
func (d *today) ofProjects() float64 {
	if d.dc != nil {
		return 0.3
	}
	return 0
}

func (d *today) restrict() (order, bool) {
	at, ok := d.with(d.ofProjects(), func(at setting) bool { return len(at.set.restrictions) < 20 })
	if !ok {
		return order{}, false
	}
	return order{"restriction/set", d.rule(at, 0)}, true
}

// rule is a restriction as people make them.
func (d *today) rule(at setting, id int64) RestrictionSpec {
	o := RestrictionSpec{Place: at.Place, ID: id, Users: d.people(at.ws, d.r.intn(3)), Pattern: pick(&d.r, []string{"main", "master", "release/*", "hotfix/*"})}
	if t, ok := d.aTeam(at.ws); ok && d.r.chance(0.4) {
		o.Groups = []string{t.slug}
	}
	if d.dc != nil {
		o.Kind = pick(&d.r, []string{"read-only", "no-deletes", "fast-forward-only", "pull-request-only"})
		o.Match = "PATTERN"
		if at.repo != nil && d.r.chance(0.5) {
			o.Match, o.Pattern = "BRANCH", "refs/heads/"+at.repo.main
		}
		return o
	}
	o.Kind = pick(&d.r, []string{"push", "force", "delete", "restrict_merges", "require_approvals_to_merge", "require_passing_builds_to_merge", "require_tasks_to_be_completed"})
	if o.Kind == "require_approvals_to_merge" || o.Kind == "require_passing_builds_to_merge" {
		n := int64(1 + d.r.intn(4))
		o.Value = &n
	}
	if d.r.chance(0.2) {
		o.Match, o.Pattern, o.BranchType = "branching_model", "", pick(&d.r, []string{"development", "production", "release", "hotfix"})
	}
	return o
}

func (d *today) someRule() (setting, *restriction, bool) {
	at, ok := d.with(d.ofProjects(), func(at setting) bool { return len(at.set.restrictions) > 0 })
	if !ok {
		return at, nil, false
	}
	return at, pick(&d.r, at.set.restrictions), true
}

func (d *today) changeRestriction() (order, bool) {
	at, x, ok := d.someRule()
	if !ok {
		return order{}, false
	}
	return order{"restriction/set", d.rule(at, x.id)}, true
}

func (d *today) unrestrict() (order, bool) {
	at, x, ok := d.someRule()
	if !ok {
		return order{}, false
	}
	return order{"restriction/delete", placed{at.Place, x.id}}, true
}

func (d *today) reviewers() (order, bool) {
	at, ok := d.aSetting(0.3)
	if !ok {
		return order{}, false
	}
	o := ReviewersSpec{Place: at.Place, Users: d.people(at.ws, d.r.intn(4))}
	if d.dc != nil {
		o.Approvals = d.r.intn(2)
		o.Branch = pick(&d.r, []string{"", "main", "master"})
	}
	return order{"reviewers/set", o}, true
}

// hook is a webhook as people make them, with something secret in its address.
func (d *today) hook(at setting) HookSpec {
	o := HookSpec{
		Place: at.Place, Name: "Hook " + d.name("no"), URL: "https://hooks.acme.example/" + d.name("to") + "?token=" + d.name("secret"),
		Events: []string{"repo:push", "pullrequest:created"}, Active: d.r.chance(0.9),
	}
	if d.dc != nil {
		o.Events = []string{"repo:refs_changed", "pr:opened"}
	}
	if d.r.chance(0.5) {
		o.Events = o.Events[:1]
	}
	if d.r.chance(0.5) {
		o.Secret = d.name("secret")
	}
	return o
}

// hooks is a place that can have webhooks.
func (d *today) hooks(some bool) (setting, []string, bool) {
	projects := 0.0
	if d.dc != nil && d.dc.version.atLeast(8, 8) {
		projects = 0.3
	}
	var ids []string
	at, ok := d.with(projects, func(at setting) bool {
		ids = nil
		switch {
		case d.dc == nil:
			for _, h := range at.set.hooks {
				ids = append(ids, h.id.String())
			}
		case at.repo != nil:
			ids = hookIDs(at.repo.hooks)
		default:
			ids = hookIDs(d.dc.project(at.Project).hooks)
		}
		return len(ids) > 0 || !some
	})
	return at, ids, ok
}

func hookIDs(hooks []*webhook) (ids []string) {
	for _, h := range hooks {
		ids = append(ids, strconv.Itoa(int(h.id)))
	}
	return ids
}

func (d *today) addHook() (order, bool) {
	at, _, ok := d.hooks(false)
	return order{"hook/add", d.hook(at)}, ok
}

func (d *today) changeHook() (order, bool) {
	at, ids, ok := d.hooks(true)
	if !ok {
		return order{}, false
	}
	o := d.hook(at)
	o.ID = pick(&d.r, ids)
	return order{"hook/change", o}, true
}

func (d *today) deleteHook() (order, bool) {
	at, ids, ok := d.hooks(true)
	if !ok {
		return order{}, false
	}
	return order{"hook/delete", hookRef{at.Place, pick(&d.r, ids)}}, true
}

func (d *today) addKey() (order, bool) {
	at, ok := d.aSetting(0.3)
	return order{"key/add", KeySpec{Place: at.Place, Label: d.name("ci"), Write: d.dc != nil && d.r.chance(0.3)}}, ok
}

func (d *today) deleteKey() (order, bool) {
	at, ok := d.with(0.3, func(at setting) bool { return len(at.set.keys) > 0 })
	if !ok {
		return order{}, false
	}
	return order{"key/delete", placed{at.Place, pick(&d.r, at.set.keys).id}}, true
}

func (d *today) addEnvironment() (order, bool) {
	r := d.aRepo()
	if d.dc != nil || r == nil {
		return order{}, false
	}
	return order{"environment/add", seat{Repository: r.fullName(), Name: "Env " + d.name("no"), Kind: pick(&d.r, []string{"Test", "Staging", "Production"})}}, true
}

func (d *today) deleteEnvironment() (order, bool) {
	at, ok := d.with(0, func(at setting) bool { return d.dc == nil && len(at.set.environments) > 0 })
	if !ok {
		return order{}, false
	}
	return order{"environment/delete", seat{Repository: at.Repository, ID: pick(&d.r, at.set.environments).id.String()}}, true
}

func (d *today) everybody() (order, bool) {
	p := d.aProject()
	if d.dc == nil || p == nil {
		return order{}, false
	}
	return order{"default-permission", seat{Project: p.key, Permission: pick(&d.r, append(dcLevels(), ""))}}, true
}
