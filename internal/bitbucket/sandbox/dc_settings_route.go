package sandbox

import "net/http"

// dcSettingsRoutes are the endpoints of Data Center outside the module `api` that tell what administrators have set.
func dcSettingsRoutes() []*route {
	const (
		project = "/projects/{projectKey}"
		repo    = project + "/repos/{repositorySlug}"
		rules   = "/rest/branch-permissions/latest"
		reviews = "/rest/default-reviewers/latest"
		keys    = "/rest/keys/latest"
	)
	get := func(path string, h func(*call) *failure) *route {
		return &route{method: http.MethodGet, path: path, need: dcSignedIn, handle: h}
	}
	return []*route{
		get(rules+project+"/restrictions", (*call).dcProjectRestrictions),
		get(rules+repo+"/restrictions", (*call).dcRestrictions),
		get(rules+repo+"/restrictions/{id}", (*call).dcRestriction),
		get(reviews+project+"/conditions", (*call).dcProjectConditions),
		get(reviews+repo+"/conditions", (*call).dcConditions),
		get(keys+project+"/ssh", (*call).dcProjectKeys),
		get(keys+repo+"/ssh", (*call).dcRepositoryKeys),
	}
}

// dcAdministered finds the repository of a path for a caller who administers it.
func (c *call) dcAdministered() (*repo, *failure) {
	r, f := c.dcRepositoryOf()
	switch {
	case f != nil:
		return nil, f
	case c.who.on(r) < dcAdmin:
		return nil, dcNotPermitted()
	}
	return r, nil
}

// dcAdministeredProject is the same for a project.
func (c *call) dcAdministeredProject() (*project, *failure) {
	p, f := c.dcProjectOf()
	switch {
	case f != nil:
		return nil, f
	case c.who.onProject(p) < dcAdmin:
		return nil, dcNotPermitted()
	}
	return p, nil
}
