package bitbucket

import (
	"slices"
	"strings"
)

// Report is what Check found out.
type Report struct {
	Instance    *InstanceReport // Data Center only
	Credentials []CredentialReport
	Workspaces  []WorkspaceReport // or the projects of a Data Center that were asked for
}

// InstanceReport says which Data Center answered.
type InstanceReport struct {
	URL     string // as it was reduced to what is needed
	Version string
}

// CredentialReport is the verdict on one principal.
type CredentialReport struct {
	Principal   string
	Name        string // as messages call it; no secret
	Role        Role
	Kind        Kind
	Valid       bool
	Account     string // who it acts as, where that can be read
	Scopes      []string
	ScopesKnown bool
	Missing     []MissingScope
	Problem     string // empty when all is well
	Remedy      string
}

// MissingScope is a scope that a feature needs and the credential lacks.
type MissingScope struct {
	Scope   string
	Feature string // what cannot be read without it
}

// WorkspaceReport says whether a wanted workspace exists for us.
type WorkspaceReport struct {
	Wanted     string
	Found      bool
	Slug       string
	Name       string
	UUID       string   // without braces
	Principals []string // who sees it
	Near       []string // slugs like the wanted one, where it was not found
	Problem    string
}

// ParseScopes splits a list of scopes, which is separated by spaces in token answers and by commas in headers
// (FACTS 21, 34).
func ParseScopes(s string) []string {
	list := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
	slices.Sort(list)
	return slices.Compact(list)
}

// HasScope reports whether the granted scopes hold the wanted one, by name or by implication. OAuth consumers and
// access tokens have the classic names, of which some imply others (FACTS 29); API tokens have names such as
// read:repository:bitbucket, which never imply one another (FACTS 33). Data Center has permissions, each of which
// includes the lower ones (FACTS 115, 133).
func HasScope(granted []string, wanted string) bool {
	for _, g := range granted {
		switch {
		case g == wanted:
			return true
		case granular(wanted):
		case granular(g):
			if g == tokenScope(wanted) {
				return true
			}
		case slices.Contains(implied(g), wanted):
			return true
		}
	}
	return false
}

// ScopeName returns the name of a wanted scope in the naming that the granted scopes use.
func ScopeName(granted []string, wanted string) string {
	if !granular(wanted) && slices.ContainsFunc(granted, granular) {
		return tokenScope(wanted)
	}
	return wanted
}

// granular reports whether a scope has the form of those of API tokens.
func granular(scope string) bool { return strings.HasSuffix(scope, ":bitbucket") }

func tokenScope(classic string) string {
	switch classic {
	case "account":
		return "read:workspace:bitbucket"
	default:
		return "read:" + classic + ":bitbucket"
	}
}

// implied lists what a classic scope includes. repository:admin and project:admin include no reading (FACTS 29).
func implied(scope string) []string {
	switch scope {
	case "project":
		return []string{"repository"}
	case "project:write":
		return []string{"project", "repository"}
	case "repository:write":
		return []string{"repository"}
	case "pullrequest":
		return []string{"repository"}
	case "pullrequest:write":
		return []string{"pullrequest", "repository:write", "repository"}
	case "account:write":
		return []string{"account"}
	case "pipeline:write":
		return []string{"pipeline"}
	case "REPO_WRITE":
		return []string{"REPO_READ"}
	case "REPO_ADMIN":
		return []string{"REPO_WRITE", "REPO_READ"}
	case "PROJECT_READ":
		return []string{"REPO_READ"}
	case "PROJECT_WRITE":
		return []string{"PROJECT_READ", "REPO_WRITE", "REPO_READ"}
	case "PROJECT_ADMIN", "ADMIN", "SYS_ADMIN":
		below := []string{"PROJECT_WRITE", "PROJECT_READ", "REPO_ADMIN", "REPO_WRITE", "REPO_READ"}
		if scope == "PROJECT_ADMIN" {
			return below
		}
		return append(below, "PROJECT_ADMIN", "ADMIN", "LICENSED_USER")
	default:
		return nil
	}
}
