package cloud

import "github.com/windlass-hq/windlass/internal/bitbucket"

// The wire types name what Windlass reads of the vendor's objects. Their fields are lazy JSON values, because a
// converter must tell a missing field (unknown) from null (known to be absent), and because a field of the wrong kind
// may not cost the object. They never leave this package.

type page struct {
	next   bitbucket.JSON
	values []bitbucket.JSON
}

// readPage reads the envelope of a collection (FACTS 48); only values and next are relied on.
func readPage(body bitbucket.JSON) (page, bool) {
	var p page
	isPage := body.Page("values", func(v bitbucket.JSON) { p.values = append(p.values, v) }, func(key []byte, v bitbucket.JSON) {
		if string(key) == "next" {
			p.next = v
		}
	})
	return p, isPage
}

type workspace struct {
	uuid, slug, name, isPrivate, links, createdOn, updatedOn bitbucket.JSON
}

func readWorkspace(j bitbucket.JSON) (w workspace) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "uuid":
			w.uuid = v
		case "slug":
			w.slug = v
		case "name":
			w.name = v
		case "is_private":
			w.isPrivate = v
		case "links":
			w.links = v
		case "created_on":
			w.createdOn = v
		case "updated_on":
			w.updatedOn = v
		}
	})
	return w
}

type project struct {
	uuid, key, name, description, isPrivate, links, createdOn, updatedOn bitbucket.JSON
}

func readProject(j bitbucket.JSON) (p project) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "uuid":
			p.uuid = v
		case "key":
			p.key = v
		case "name":
			p.name = v
		case "description":
			p.description = v
		case "is_private":
			p.isPrivate = v
		case "links":
			p.links = v
		case "created_on":
			p.createdOn = v
		case "updated_on":
			p.updatedOn = v
		}
	})
	return p
}

type account struct {
	uuid, kind, displayName, nickname, username, accountID, status, links, createdOn bitbucket.JSON
}

func readAccount(j bitbucket.JSON) (a account) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "uuid":
			a.uuid = v
		case "type":
			a.kind = v
		case "display_name":
			a.displayName = v
		case "nickname":
			a.nickname = v
		case "username":
			a.username = v
		case "account_id":
			a.accountID = v
		case "account_status":
			a.status = v
		case "links":
			a.links = v
		case "created_on":
			a.createdOn = v
		}
	})
	return a
}

type repository struct {
	uuid, slug, name, fullName, isPrivate, description, mainBranch, forkPolicy, parent, language, scm, hasIssues, hasWiki,
	website, size, links, createdOn, updatedOn, project, workspace bitbucket.JSON
}

func readRepository(j bitbucket.JSON) (r repository) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "uuid":
			r.uuid = v
		case "slug":
			r.slug = v
		case "name":
			r.name = v
		case "full_name":
			r.fullName = v
		case "is_private":
			r.isPrivate = v
		case "description":
			r.description = v
		case "mainbranch":
			r.mainBranch = v
		case "fork_policy":
			r.forkPolicy = v
		case "parent":
			r.parent = v
		case "language":
			r.language = v
		case "scm":
			r.scm = v
		case "has_issues":
			r.hasIssues = v
		case "has_wiki":
			r.hasWiki = v
		case "website":
			r.website = v
		case "size":
			r.size = v
		case "links":
			r.links = v
		case "created_on":
			r.createdOn = v
		case "updated_on":
			r.updatedOn = v
		case "project":
			r.project = v
		case "workspace":
			r.workspace = v
		}
	})
	return r
}

type pullRequest struct {
	id, title, description, summary, state, draft, source, destination, mergeCommit, closeSourceBranch, reason, author,
	closedBy, reviewers, participants, taskCount, commentCount, links, createdOn, updatedOn bitbucket.JSON
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
		case "summary":
			p.summary = v
		case "state":
			p.state = v
		case "draft":
			p.draft = v
		case "source":
			p.source = v
		case "destination":
			p.destination = v
		case "merge_commit":
			p.mergeCommit = v
		case "close_source_branch":
			p.closeSourceBranch = v
		case "reason":
			p.reason = v
		case "author":
			p.author = v
		case "closed_by":
			p.closedBy = v
		case "reviewers":
			p.reviewers = v
		case "participants":
			p.participants = v
		case "task_count":
			p.taskCount = v
		case "comment_count":
			p.commentCount = v
		case "links":
			p.links = v
		case "created_on":
			p.createdOn = v
		case "updated_on":
			p.updatedOn = v
		}
	})
	return p
}

// endpoint is one end of a pull request.
type endpoint struct {
	branch, commit, repository bitbucket.JSON // objects
}

func readEndpoint(j bitbucket.JSON) (e endpoint) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "branch":
			e.branch = v
		case "commit":
			e.commit = v
		case "repository":
			e.repository = v
		}
	})
	return e
}

type participant struct {
	user, role, approved, state, participatedOn bitbucket.JSON
}

func readParticipant(j bitbucket.JSON) (p participant) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "user":
			p.user = v
		case "role":
			p.role = v
		case "approved":
			p.approved = v
		case "state":
			p.state = v
		case "participated_on":
			p.participatedOn = v
		}
	})
	return p
}
