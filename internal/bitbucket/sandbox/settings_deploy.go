package sandbox

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// reviewer is a default reviewer and where it was set.
type reviewer struct {
	user *user
	kind string // repository or project
}

// reviewersOf lists those whose account still exists.
func reviewersOf(s *settings, kind string) []reviewer {
	var all []reviewer
	for _, u := range s.reviewers {
		if !u.gone {
			all = append(all, reviewer{u, kind})
		}
	}
	return all
}

// read finds the repository of a path for a caller that is signed in.
func (c *call) read() (*repo, *failure) {
	if c.cred == nil {
		return nil, c.unauthorized()
	}
	return c.repository()
}

// getReviewers lists the default reviewers that were set for the repository itself.
func (c *call) getReviewers() *failure {
	r, f := c.read()
	if f != nil {
		return f
	}
	return respond(c, paging{byDefault: 10, max: 100}, reviewersOf(r.settings(), ""), func(x reviewer) { c.out.user(x.user, false) })
}

// getEffectiveReviewers adds those of the project.
func (c *call) getEffectiveReviewers() *failure {
	r, f := c.read()
	if f != nil {
		return f
	}
	all := reviewersOf(r.settings(), "repository")
	if r.project != nil {
		for _, x := range reviewersOf(r.project.settings(), "project") {
			if !slices.Contains(r.settings().reviewers, x.user) {
				all = append(all, x)
			}
		}
	}
	return respond(c, paging{byDefault: 10, max: 100}, all, c.out.reviewer)
}

func (c *call) getProjectReviewers() *failure {
	p, f := c.administeredProject()
	if f != nil {
		return f
	}
	return respond(c, paging{byDefault: 10, max: 100}, reviewersOf(p.settings(), "project"), c.out.reviewer)
}

func (w *writer) reviewer(x reviewer) {
	w.parts("type", "default_reviewer")
	w.parts("reviewer_type", x.kind)
	w.account("user", x.user)
}

// deployKey writes what is the same for both kinds of deploy keys.
func (w *writer) deployKey(k *accessKey, self string) {
	w.integer("id", k.id)
	w.str("key", k.text)
	w.str("label", k.label)
	w.parts("comment")
	w.time("added_on", k.added)
	w.time("last_used", k.used)
	if w.open("links") {
		w.link("self", w.api, self, "/deploy-keys/", strconv.FormatInt(k.id, 10))
		w.close()
	}
}

// getRepositoryKeys needs the scope `repository` too.
func (c *call) getRepositoryKeys() *failure {
	if c.cred != nil && c.cred.Kind != APIToken && !c.cred.granted["repository"] {
		return lacking("repository", c.cred.collapsed())
	}
	r, f := c.administered()
	if f != nil {
		return f
	}
	w := c.out
	return respond(c, paging{byDefault: 10, max: 100}, r.settings().keys, func(k *accessKey) {
		w.parts("type", "deploy_key")
		w.deployKey(k, "/repositories/"+r.fullName())
		w.repositoryUnder("repository", r)
		w.owner("owner", r.ws)
	})
}

// getProjectKeys needs the scope `project` too.
func (c *call) getProjectKeys() *failure {
	if c.cred != nil && c.cred.Kind != APIToken && !c.cred.granted["project"] {
		return lacking("project", c.cred.collapsed())
	}
	p, f := c.administeredProject()
	if f != nil {
		return f
	}
	w := c.out
	return respond(c, paging{byDefault: 10, max: 100}, p.settings().keys, func(k *accessKey) {
		w.parts("type", "project_deploy_key")
		w.deployKey(k, "/workspaces/"+p.ws.slug+"/projects/"+p.key)
		if w.open("project") {
			w.project(p, false)
			w.close()
		}
		w.owner("created_by", p.ws)
	})
}

func (w *writer) environment(e *environment) {
	w.parts("type", "deployment_environment")
	w.id("uuid", e.id)
	w.str("name", e.name)
	w.str("slug", slugify(e.name))
	w.integer("rank", e.rank)
	w.boolean("hidden", false)
	if w.open("environment_type") {
		w.parts("type", "deployment_environment_type")
		w.parts("name", e.kind)
		w.close()
	}
	if w.open("category") {
		w.parts("name", e.kind)
		w.close()
	}
	if w.open("restrictions") {
		w.parts("type", "deployment_restrictions_configuration")
		w.boolean("admin_only", e.kind == "Production")
		w.close()
	}
}

func (c *call) getEnvironments() *failure {
	r, f := c.read()
	if f != nil {
		return f
	}
	return respond(c, paging{byDefault: 10, max: 100}, r.settings().environments, c.out.environment)
}

func (c *call) getEnvironment() *failure {
	r, f := c.read()
	if f != nil {
		return f
	}
	for _, e := range r.settings().environments {
		if e.id.String() == strings.ToLower(c.args[2]) {
			c.out.root(func() { c.out.environment(e) })
			return nil
		}
	}
	return fail(http.StatusNotFound, "No account, repository or environment with the UUID provided exists.", "")
}
