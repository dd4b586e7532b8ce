package datacenter

import "github.com/windlass-hq/windlass/internal/bitbucket"

type restriction struct{ id, kind, matcher, users, groups, accessKeys bitbucket.JSON }

func readRestriction(j bitbucket.JSON) (r restriction) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "id":
			r.id = v
		case "type":
			r.kind = v
		case "matcher":
			r.matcher = v
		case "users":
			r.users = v
		case "groups":
			r.groups = v
		case "accessKeys":
			r.accessKeys = v
		}
	})
	return r
}

// matcher chooses branches; the kind is that of its type.
type matcher struct{ id, display, kind bitbucket.JSON }

func readMatcher(j bitbucket.JSON) (m matcher) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "id":
			m.id = v
		case "displayId":
			m.display = v
		case "type":
			m.kind = bitbucket.Inner(v, "id")
		}
	})
	return m
}

type condition struct{ source, target, reviewers, approvals bitbucket.JSON }

func readCondition(j bitbucket.JSON) (c condition) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "sourceRefMatcher":
			c.source = v
		case "targetRefMatcher":
			c.target = v
		case "reviewers":
			c.reviewers = v
		case "requiredApprovals":
			c.approvals = v
		}
	})
	return c
}

type hook struct{ id, name, url, events, active, verified, created, configuration bitbucket.JSON }

func readHook(j bitbucket.JSON) (h hook) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "id":
			h.id = v
		case "name":
			h.name = v
		case "url":
			h.url = v
		case "events":
			h.events = v
		case "active":
			h.active = v
		case "sslVerificationRequired":
			h.verified = v
		case "createdDate":
			h.created = v
		case "configuration":
			h.configuration = v
		}
	})
	return h
}

type accessKey struct {
	id, text, label, algorithm, fingerprint, created, used, expiry bitbucket.JSON
}

func readKey(j bitbucket.JSON) (k accessKey) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "id":
			k.id = v
		case "text":
			k.text = v
		case "label":
			k.label = v
		case "algorithmType":
			k.algorithm = v
		case "fingerprint":
			k.fingerprint = v
		case "createdDate":
			k.created = v
		case "lastAuthenticated":
			k.used = v
		case "expiryDays":
			k.expiry = v
		}
	})
	return k
}

type branchRef struct{ id, displayID, latestCommit, isDefault bitbucket.JSON }

// readBranch reads a branch. Answers say isDefault, the vendor's document says default.
func readBranch(j bitbucket.JSON) (b branchRef) {
	j.Each(func(key []byte, v bitbucket.JSON) {
		switch string(key) {
		case "id":
			b.id = v
		case "displayId":
			b.displayID = v
		case "latestCommit":
			b.latestCommit = v
		case "isDefault", "default":
			b.isDefault = v
		}
	})
	return b
}
