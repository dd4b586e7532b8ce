package api

import (
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/store"
)

// rights says of each feature which right it needs with these credentials, and whether the best of them has it.
func rights(conn store.Connection, report bitbucket.Report) []client.RightCheck {
	out := []client.RightCheck{}
	for _, r := range bitbucket.RightsOf(bitbucket.Product(conn.Product)) {
		w := client.RightCheck{
			Feature: r.Feature, What: r.What, Role: string(r.Role), Used: r.Today, Have: string(bitbucket.HaveNever), Needs: []string{},
		}
		if w.Used && switchedOff(conn, r.Feature) {
			w.Used, w.Off = false, true
		}
		served := false
		for _, c := range report.Credentials {
			if !c.Valid || !r.Serves(c.Role) {
				continue
			}
			have, missing := r.Judge(c.Kind, c.Scopes, c.ScopesKnown)
			if text := needs(r, c.Kind); !slices.Contains(w.Needs, text) {
				w.Needs = append(w.Needs, text)
			}
			if !served || rank(have) > rank(bitbucket.Have(w.Have)) {
				w.Have, w.Missing, w.Note = string(have), missing, note(r.Kinds[c.Kind], have)
			}
			served = true
		}
		if !served {
			w.Have, w.Note = string(bitbucket.HaveNo), "no credential has the role "+string(r.Role)
		}
		out = append(out, w)
	}
	return out
}

// switchedOff reports whether an option of the connection keeps what the feature is about from being read.
func switchedOff(conn store.Connection, feature string) bool {
	switch feature {
	case bitbucket.FeaturePullRequests:
		return conn.Settings["pull-requests"] == "false"
	case bitbucket.FeatureWorkspacePermissions, bitbucket.FeatureGlobalPermissions, bitbucket.FeatureProjectPermissions, bitbucket.FeatureRepositoryPermissions:
		return conn.Settings["permissions"] == "false"
	}
	return false
}

// rank orders verdicts: of several credentials the one that can do it counts.
func rank(h bitbucket.Have) int {
	return slices.Index([]bitbucket.Have{bitbucket.HaveNever, bitbucket.HaveNo, bitbucket.HaveUnknown, bitbucket.HaveYes}, h)
}

// needs words what a feature takes with one kind of credential.
func needs(r bitbucket.Right, kind bitbucket.Kind) string {
	n := r.Kinds[kind]
	switch {
	case n.Never != "":
		return "another kind of credential: " + n.Never
	case len(n.Scopes) == 0 && n.Also != "":
		return n.Also
	case len(n.Scopes) == 0:
		return "any login"
	}
	return strings.Join(n.Scopes, ", ")
}

func note(n bitbucket.Need, have bitbucket.Have) string {
	switch have {
	case bitbucket.HaveNever:
		return n.Never
	case bitbucket.HaveUnknown:
		return n.Also
	}
	return ""
}
