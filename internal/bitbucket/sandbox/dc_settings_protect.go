package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// scoped is a thing and where it was set: what holds for a project is listed in its repositories too [believed].
type scoped[T any] struct {
	of T
	in dcScope
}

type dcScope struct {
	kind string // PROJECT or REPOSITORY
	id   int32
}

// inScope lists what a choice finds in a repository and then in its project; without a repository in the project.
func inScope[T any](p *project, r *repo, choose func(*settings) []T) []scoped[T] {
	var all []scoped[T]
	if r != nil {
		for _, x := range choose(r.settings()) {
			all = append(all, scoped[T]{x, dcScope{"REPOSITORY", r.number}})
		}
	}
	for _, x := range choose(p.settings()) {
		all = append(all, scoped[T]{x, dcScope{"PROJECT", p.number}})
	}
	return all
}

func restrictionsOf(s *settings) []*restriction { return s.restrictions }
func conditionsOf(s *settings) []*reviewRule    { return s.conditions }
func keysOf(s *settings) []*accessKey           { return s.keys }

func (c *call) dcRestrictions() *failure {
	r, f := c.dcAdministered()
	if f != nil {
		return f
	}
	return c.dcListRestrictions(inScope(r.project, r, restrictionsOf))
}

func (c *call) dcProjectRestrictions() *failure {
	p, f := c.dcAdministeredProject()
	if f != nil {
		return f
	}
	return c.dcListRestrictions(inScope(p, nil, restrictionsOf))
}

// dcListRestrictions knows the filters of the vendor's document.
func (c *call) dcListRestrictions(all []scoped[*restriction]) *failure {
	kind, match, id := c.query.Get("type"), c.query.Get("matcherType"), c.query.Get("matcherId")
	if id != "" && match == "" {
		return dcFailAbout(http.StatusBadRequest, "matcherType", "The type of the matcher is missing.", dcBadArgument)
	}
	return dcRespond(c, dcManyItems, all, func(x scoped[*restriction]) bool {
		return (kind == "" || x.of.kind == kind) && (match == "" || x.of.match == match) && (id == "" || x.of.pattern == id)
	}, c.dcRule)
}

func (c *call) dcRestriction() *failure {
	r, f := c.dcAdministered()
	if f != nil {
		return f
	}
	for _, x := range inScope(r.project, r, restrictionsOf) {
		if strconv.FormatInt(x.of.id, 10) == c.args[2] {
			c.dcRule(x)
			return nil
		}
	}
	return dcFail(http.StatusNotFound, "No restriction exists for the ID "+c.args[2]+".", "com.atlassian.bitbucket.repository.ref.restriction.NoSuchRestrictionException")
}

func (w *writer) dcScope(s dcScope) {
	w.text(`,"scope":{"type":"`, s.kind, `","resourceId":`, strconv.Itoa(int(s.id)), "}")
}

func (w *writer) dcMatcher(key string, m refMatcher) {
	display, kind := m.id, "Branch"
	switch m.kind {
	case "BRANCH":
		display = strings.TrimPrefix(m.id, "refs/heads/")
	case "PATTERN":
		kind = "Pattern"
	case "MODEL_CATEGORY":
		display, kind = capital(strings.ToLower(m.id)), "Branching model category"
	case "MODEL_BRANCH":
		display, kind = capital(m.id), "Branching model branch"
	case "ANY_REF":
		kind = "Any branch"
	}
	w.text(`,"`, key, `":{`)
	w.str("id", m.id)
	w.str("displayId", display)
	w.text(`,"type":{"id":"`, m.kind, `","name":"`, kind, `"},"active":true}`)
}

func (w *writer) dcUsersOf(key string, users []*user) {
	w.text(`,"`, key, `":[`)
	for _, u := range users {
		if !u.gone {
			w.comma()
			w.dcUser(u)
		}
	}
	w.text("]")
}

func (c *call) dcRule(x scoped[*restriction]) {
	w := c.out
	w.text("{")
	w.integer("id", x.of.id)
	w.dcScope(x.in)
	w.parts("type", x.of.kind)
	w.dcMatcher("matcher", refMatcher{x.of.match, x.of.pattern})
	w.dcUsersOf("users", x.of.users)
	w.text(`,"groups":[`)
	for _, name := range x.of.groups {
		w.comma()
		w.buf = appendString(w.buf, name)
	}
	w.text(`],"accessKeys":[`)
	for _, k := range x.of.keys {
		w.comma()
		w.text("{")
		w.dcKey(k)
		w.text("}")
	}
	w.text("]}")
}

// dcConditions lists the default reviewers: a bare array (FACTS 138), for everybody who may read.
func (c *call) dcConditions() *failure {
	r, f := c.dcRepositoryOf()
	if f != nil {
		return f
	}
	c.out.dcConditions(inScope(r.project, r, conditionsOf))
	return nil
}

func (c *call) dcProjectConditions() *failure {
	p, f := c.dcProjectOf()
	switch {
	case f != nil:
		return f
	case c.who.onProject(p) < dcRead:
		return dcNotPermitted()
	}
	c.out.dcConditions(inScope(p, nil, conditionsOf))
	return nil
}

func (w *writer) dcConditions(all []scoped[*reviewRule]) {
	w.text("[")
	for _, x := range all {
		w.comma()
		w.text("{")
		w.integer("id", x.of.id)
		w.dcScope(x.in)
		w.dcMatcher("sourceRefMatcher", x.of.source)
		w.dcMatcher("targetRefMatcher", x.of.target)
		w.dcUsersOf("reviewers", x.of.reviewers)
		w.integer("requiredApprovals", x.of.approvals)
		w.text("}")
	}
	w.text("]")
}

// dcKey writes an access key below the key of that name.
func (w *writer) dcKey(k *accessKey) {
	w.text(`"key":{`)
	w.integer("id", k.id)
	w.str("text", k.text+" "+k.label)
	w.str("label", k.label)
	if w.version.atLeast(7, 21) { // [believed]
		w.parts("algorithmType", "ED25519")
		w.integer("bitLength", 256)
	}
	if w.version.atLeast(8, 0) { // [believed]
		w.time("createdDate", k.added)
		if k.used != 0 {
			w.parts("lastAuthenticated", strconv.FormatInt(k.used/1000, 10))
		}
	}
	w.text("}")
}

func (c *call) dcRepositoryKeys() *failure {
	r, f := c.dcAdministered()
	if f != nil {
		return f
	}
	all := inScope(r.project, r, keysOf)
	if c.query.Get("effective") != "true" {
		all = slices.DeleteFunc(all, func(x scoped[*accessKey]) bool { return x.in.kind == "PROJECT" })
	}
	return c.dcKeys(r.project, r, all)
}

func (c *call) dcProjectKeys() *failure {
	p, f := c.dcAdministeredProject()
	if f != nil {
		return f
	}
	return c.dcKeys(p, nil, inScope(p, nil, keysOf))
}

func (c *call) dcKeys(p *project, r *repo, all []scoped[*accessKey]) *failure {
	w, filter, wanted := c.out, c.query.Get("filter"), c.query.Get("permission")
	write := strings.HasSuffix(wanted, "_WRITE")
	return dcRespond(c, dcManyItems, all, func(x scoped[*accessKey]) bool {
		return strings.HasPrefix(x.of.label, filter) && (!write || x.of.write)
	}, func(x scoped[*accessKey]) {
		w.text("{")
		w.dcKey(x.of)
		prefix, level := "REPO_", "READ"
		if x.in.kind == "PROJECT" {
			prefix = "PROJECT_"
			w.text(`,"project":`)
			w.dcProject(p)
		} else {
			w.text(`,"repository":`)
			w.dcRepo(r)
		}
		if x.of.write {
			level = "WRITE"
		}
		w.parts("permission", prefix, level)
		w.text("}")
	})
}
