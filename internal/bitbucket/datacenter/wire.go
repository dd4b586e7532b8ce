package datacenter

import "github.com/windlass-hq/windlass/internal/bitbucket"

// The wire types name what Windlass reads of the vendor's objects. Their fields are lazy JSON values, because a
// converter must tell a missing field (unknown) from null (known to be absent), because a field of the wrong kind may
// not cost the object, and because versions differ in which fields there are (FACTS 158). They never leave this package.

type page struct {
	values                          []bitbucket.JSON
	start, limit, isLast, nextStart bitbucket.JSON
}

// readPage reads the envelope of a collection (FACTS 121).
func readPage(body bitbucket.JSON) (page, bool) {
	var p page
	isPage := body.Page("values", func(v bitbucket.JSON) { p.values = append(p.values, v) }, func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "start":
			p.start = v
		case "limit":
			p.limit = v
		case "isLastPage":
			p.isLast = v
		case "nextPageStart":
			p.nextStart = v
		}
	})
	return p, isPage
}

type project struct {
	id, key, name, description, public, kind, owner, links bitbucket.JSON
}

func readProject(j bitbucket.JSON) (p project) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "id":
			p.id = v
		case "key":
			p.key = v
		case "name":
			p.name = v
		case "description":
			p.description = v
		case "public":
			p.public = v
		case "type":
			p.kind = v
		case "owner":
			p.owner = v
		case "links":
			p.links = v
		}
	})
	return p
}

type account struct {
	id, name, slug, displayName, email, active, kind, links bitbucket.JSON
}

func readAccount(j bitbucket.JSON) (a account) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "id":
			a.id = v
		case "name":
			a.name = v
		case "slug":
			a.slug = v
		case "displayName":
			a.displayName = v
		case "emailAddress":
			a.email = v
		case "active":
			a.active = v
		case "type":
			a.kind = v
		case "links":
			a.links = v
		}
	})
	return a
}

type repository struct {
	id, slug, name, description, hierarchyID, scm, state, forkable, public, archived, origin, project, links bitbucket.JSON
}

func readRepository(j bitbucket.JSON) (r repository) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "id":
			r.id = v
		case "slug":
			r.slug = v
		case "name":
			r.name = v
		case "description":
			r.description = v
		case "hierarchyId":
			r.hierarchyID = v
		case "scmId":
			r.scm = v
		case "state":
			r.state = v
		case "forkable":
			r.forkable = v
		case "public":
			r.public = v
		case "archived":
			r.archived = v
		case "origin":
			r.origin = v
		case "project":
			r.project = v
		case "links":
			r.links = v
		}
	})
	return r
}

type pullRequest struct {
	id, title, description, state, draft, fromRef, toRef, author, reviewers, participants, properties, links, createdDate,
	updatedDate, closedDate bitbucket.JSON
}

func readPullRequest(j bitbucket.JSON) (p pullRequest) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "id":
			p.id = v
		case "title":
			p.title = v
		case "description":
			p.description = v
		case "state":
			p.state = v
		case "draft":
			p.draft = v
		case "fromRef":
			p.fromRef = v
		case "toRef":
			p.toRef = v
		case "author":
			p.author = v
		case "reviewers":
			p.reviewers = v
		case "participants":
			p.participants = v
		case "properties":
			p.properties = v
		case "links":
			p.links = v
		case "createdDate":
			p.createdDate = v
		case "updatedDate":
			p.updatedDate = v
		case "closedDate":
			p.closedDate = v
		}
	})
	return p
}

type ref struct{ id, displayID, latestCommit, repository bitbucket.JSON }

func readRef(j bitbucket.JSON) (r ref) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "id":
			r.id = v
		case "displayId":
			r.displayID = v
		case "latestCommit":
			r.latestCommit = v
		case "repository":
			r.repository = v
		}
	})
	return r
}

type participant struct{ user, role, approved, status, lastReviewed bitbucket.JSON }

func readParticipant(j bitbucket.JSON) (p participant) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "user":
			p.user = v
		case "role":
			p.role = v
		case "approved":
			p.approved = v
		case "status":
			p.status = v
		case "lastReviewedCommit":
			p.lastReviewed = v
		}
	})
	return p
}

// selfLink returns the page for people, which stands in an array (FACTS 155).
func selfLink(links bitbucket.JSON) bitbucket.JSON {
	self := bitbucket.Inner(links, "self")
	if !self.IsArray() {
		return nil
	}
	var first bitbucket.JSON
	self.Elements(func(v bitbucket.JSON) {
		if first == nil && v.IsObject() {
			first = v
		}
	})
	return bitbucket.Inner(first, "href")
}
