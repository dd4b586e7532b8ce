package datacenter

import "github.com/windlass-hq/windlass/internal/bitbucket"

// delivery is the body of a webhook of any key; which members there are depends on the key and on the version
// (FACTS 148, 149).
type delivery struct {
	eventKey, date, actor, repository bitbucket.JSON

	changes, commits, toCommit, limitExceeded bitbucket.JSON // of pushes and of mirrors

	pullRequest, participant, previousStatus, added, removed bitbucket.JSON
	oldTitle, oldDescription, oldTarget, oldFrom, oldTo      bitbucket.JSON

	comment, commentParent, commit bitbucket.JSON

	before, after      bitbucket.JSON // what was modified
	mirror, syncType   bitbucket.JSON
	secrets            bitbucket.JSON
	test               bitbucket.JSON
	push, cloudRequest bitbucket.JSON // of the add-on Post Webhooks (FACTS 154)
}

func readDelivery(j bitbucket.JSON) (d delivery) {
	members := map[string]*bitbucket.JSON{
		"eventKey": &d.eventKey, "date": &d.date, "actor": &d.actor, "repository": &d.repository,
		"changes": &d.changes, "commits": &d.commits, "toCommit": &d.toCommit, "refLimitExceeded": &d.limitExceeded,
		"pullRequest": &d.pullRequest, "participant": &d.participant, "previousStatus": &d.previousStatus,
		"addedReviewers": &d.added, "removedReviewers": &d.removed,
		"previousTitle": &d.oldTitle, "previousDescription": &d.oldDescription, "previousTarget": &d.oldTarget,
		"previousFromHash": &d.oldFrom, "previousToHash": &d.oldTo,
		"comment": &d.comment, "commentParentId": &d.commentParent, "commit": &d.commit,
		"old": &d.before, "new": &d.after, "mirrorServer": &d.mirror, "syncType": &d.syncType,
		"secretLocations": &d.secrets, "test": &d.test, "push": &d.push, "pullrequest": &d.cloudRequest,
	}
	j.Each(func(key []byte, v bitbucket.JSON) {
		if at := members[string(key)]; at != nil {
			*at = v
		}
	})
	return d
}

// change is a branch or tag that moved.
type change struct{ ref, refID, from, to, kind bitbucket.JSON }

func readChange(j bitbucket.JSON) (c change) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "ref":
			c.ref = v
		case "refId":
			c.refID = v
		case "fromHash":
			c.from = v
		case "toHash":
			c.to = v
		case "type":
			c.kind = v
		}
	})
	return c
}

// commit is one of the newest few of a push.
type commit struct{ id, parents, author, committer bitbucket.JSON }

func readCommit(j bitbucket.JSON) (c commit) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "id":
			c.id = v
		case "parents":
			c.parents = v
		case "author":
			c.author = v
		case "committer":
			c.committer = v
		}
	})
	return c
}

// remark is a comment on a pull request or a commit.
type remark struct{ id, author, created, updated, severity, state bitbucket.JSON }

func readRemark(j bitbucket.JSON) (c remark) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "id":
			c.id = v
		case "author":
			c.author = v
		case "createdDate":
			c.created = v
		case "updatedDate":
			c.updated = v
		case "severity":
			c.severity = v
		case "state":
			c.state = v
		}
	})
	return c
}

// leak is where a secret was found in what was pushed.
type leak struct{ repository, commit, path, line, rule bitbucket.JSON }

func readLeak(j bitbucket.JSON) (l leak) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "repository":
			l.repository = v
		case "commitId":
			l.commit = v
		case "path":
			l.path = v
		case "line":
			l.line = v
		case "ruleName":
			l.rule = v
		}
	})
	return l
}
