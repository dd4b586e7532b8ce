package sandbox

import (
	"net/http"
	"strconv"
)

func (w *writer) restriction(r *repo, x *restriction) {
	w.parts("type", "branchrestriction")
	w.integer("id", x.id)
	w.parts("kind", x.kind)
	w.parts("branch_match_kind", x.match)
	w.str("pattern", x.pattern)
	if x.match == "branching_model" {
		w.parts("branch_type", x.branch)
	}
	if x.valued {
		w.integer("value", x.value)
	} else {
		w.null("value")
	}
	if w.list("users") {
		for _, u := range x.users {
			if !u.gone {
				w.item()
				w.user(u, false)
				w.endItem()
			}
		}
		w.endList()
	}
	if w.list("groups") {
		for _, slug := range x.groups {
			w.item()
			w.group(r.ws, slug)
			w.endItem()
		}
		w.endList()
	}
	if w.open("links") {
		w.link("self", w.api, "/repositories/", r.fullName(), "/branch-restrictions/", strconv.FormatInt(x.id, 10))
		w.close()
	}
}

// getRestrictions can be filtered by kind and pattern (the vendor's document).
func (c *call) getRestrictions() *failure {
	r, f := c.administered()
	if f != nil {
		return f
	}
	kind, pattern := c.query.Get("kind"), c.query.Get("pattern")
	all := visible(r.settings().restrictions, func(x *restriction) bool {
		return (kind == "" || x.kind == kind) && (pattern == "" || x.pattern == pattern)
	})
	return respond(c, paging{byDefault: 10, max: 100}, all, func(x *restriction) { c.out.restriction(r, x) })
}

func (c *call) getRestriction() *failure {
	r, f := c.administered()
	if f != nil {
		return f
	}
	for _, x := range r.settings().restrictions {
		if strconv.FormatInt(x.id, 10) == c.args[2] {
			c.out.root(func() { c.out.restriction(r, x) })
			return nil
		}
	}
	return fail(http.StatusNotFound, "There is no branch restriction with id "+c.args[2]+".", "")
}

// getBranchingModel is the model that a repository uses: development is the main branch, and releases have a branch
// where the restrictions speak of one.
func (c *call) getBranchingModel() *failure { return c.branchingModel("branching_model") }

func (c *call) getEffectiveBranchingModel() *failure {
	return c.branchingModel("effective_repo_branching_model")
}

func (c *call) branchingModel(kind string) *failure {
	r, f := c.repository()
	if f != nil {
		return f
	}
	w := c.out
	w.root(func() {
		w.parts("type", kind)
		w.modelBranch("development", c.s.world, r)
		for _, x := range r.settings().restrictions {
			if x.branch == "production" {
				w.modelBranch("production", c.s.world, r)
				break
			}
		}
		w.raw("branch_types", `[{"kind":"feature","prefix":"feature/"},{"kind":"bugfix","prefix":"bugfix/"},{"kind":"release","prefix":"release/"},{"kind":"hotfix","prefix":"hotfix/"}]`)
		if w.open("links") {
			w.link("self", w.api, "/repositories/", r.fullName(), "/branching-model")
			w.close()
		}
	})
	return nil
}

// modelBranch points at the main branch; an empty repository has none.
func (w *writer) modelBranch(key string, world *world, r *repo) {
	if !w.open(key) {
		return
	}
	if r.empty {
		w.null("name")
	} else {
		w.str("name", r.main)
		for _, b := range world.graph(r).refs(true, false) {
			if b.name == r.main && w.open("branch") {
				w.ref(r, b)
				w.close()
			}
		}
	}
	w.boolean("use_mainbranch", true)
	w.close()
}
