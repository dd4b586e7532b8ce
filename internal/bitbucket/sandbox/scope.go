package sandbox

import (
	"slices"
	"strings"
)

// implied is what one OAuth scope directly includes (FACTS 29 and 30). The admin scopes imply nothing.
func implied(scope string) []string {
	switch scope {
	case "project", "repository:write", "pullrequest":
		return []string{"repository"}
	case "pullrequest:write":
		return []string{"pullrequest", "repository:write"}
	case "issue:write", "snippet:write", "pipeline:write", "account:write", "runner:write":
		return []string{strings.TrimSuffix(scope, ":write")}
	}
	return nil
}

// impliedScopes is the closure of scopes. Those of API tokens imply nothing and pass through.
func impliedScopes(scopes []string) map[string]bool {
	all := map[string]bool{}
	todo := slices.Clone(scopes)
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !all[s] {
			all[s] = true
			todo = append(todo, implied(s)...)
		}
	}
	return all
}

// collapsed lists the scopes that no other one implies, as X-OAuth-Scopes does (FACTS 34).
func (c *credential) collapsed() []string {
	covered := map[string]bool{}
	for s := range c.granted {
		for i := range impliedScopes(implied(s)) {
			covered[i] = true
		}
	}
	var out []string
	for s := range c.granted {
		if !covered[s] {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out
}
