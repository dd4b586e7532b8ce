package main

// question is a query as people ask it.
type question struct{ name, text string }

// questions are the representative ones: each form of the language, whole kinds and single things.
func questions(p *past) []question {
	return []question{
		{"count of a type", "FIND bitbucket_pull_request AS p RETURN COUNT(p)"},
		{"count, two filters with an index", "FIND PR WITH state = 'OPEN' AND approved = false AS p RETURN COUNT(p)"},
		{"count, filter without an index", "FIND PR WITH title ^= 'Speed' AND closeSourceBranch = true AS p RETURN COUNT(p)"},
		{"whole type, few", "FIND bitbucket_repo WITH public = true"},
		{"by key", "FIND PR WITH _key = '" + p.prKey(p.pullRequest(p.prs/2).repo, p.prs/2) + "'"},
		{"first page of a filter", "FIND PR WITH state = 'OPEN' LIMIT 250"},
		{"newest first, ten", "FIND PR WITH state = 'MERGED' ORDER BY createdOn DESC LIMIT 10"},
		{"created within a time", "FIND PR WITH createdOn > date(2026-02-20) AND createdOn < date(2026-02-24) AS p RETURN p.title, p.author"},
		{"one hop from one repository", "FIND CodeRepo WITH slug = 'repo-20' THAT HAS PR WITH state = 'OPEN' AS p RETURN p.title, p.state"},
		{"one hop, counted by user", "FIND User AS u THAT OPENED PR WITH state = 'OPEN' AS p RETURN u.displayName, COUNT(p) AS n ORDER BY n DESC LIMIT 10"},
		{"one hop over everything", "FIND CodeRepo AS r THAT HAS PR AS p RETURN r.displayName, COUNT(p) AS n ORDER BY n DESC LIMIT 10"},
		{"two hops from one user", "FIND User WITH displayName = '" + userName(17) + "' THAT APPROVED PR THAT HAS CodeRepo AS r RETURN r.displayName, COUNT(PR)"},
		{"two hops: who may administer", "FIND CodeRepo AS r THAT ALLOWS bitbucket_permission WITH permission = 'admin' THAT HAS User AS u RETURN u.displayName, COUNT(r) AS n ORDER BY n DESC LIMIT 10"},
		{"negated, with a filter", "FIND CodeRepo THAT !HAS PR WITH state = 'OPEN'"},
		{"negated, over everything", "FIND PR WITH state = 'OPEN' AS p THAT !APPROVED User RETURN COUNT(p)"},
		{"property of a relationship", "FIND User THAT REVIEWED AS v PR WITH state = 'OPEN' WHERE v.state = 'approved' RETURN COUNT(PR)"},
		{"grouped by a property", "FIND PR AS p RETURN p.state, COUNT(p)"},
		{"changed within a time", "FIND PR WITH _beginOn > date(2026-03-02) AND _beginOn < date(2026-03-03) AS p RETURN COUNT(p)"},
	}
}
