package bitbucket_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

// TestRightsAreWhole wants every row to say something of every kind of its product, and nothing twice.
func TestRightsAreWhole(t *testing.T) {
	kinds := map[bitbucket.Product][]bitbucket.Kind{
		bitbucket.Cloud:      {bitbucket.OAuth, bitbucket.Token, bitbucket.APIToken},
		bitbucket.DataCenter: {bitbucket.Token, bitbucket.Basic},
	}
	seen := map[string]bool{}
	for _, r := range bitbucket.Rights() {
		id := string(r.Product) + " " + r.Feature
		if seen[id] {
			t.Errorf("%s has two rows", id)
		}
		seen[id] = true
		if r.What == "" || r.Role == bitbucket.RoleAny {
			t.Errorf("%s has no words or no role", id)
		}
		if len(r.Kinds) != len(kinds[r.Product]) {
			t.Errorf("%s tells of %d kinds, want %d", id, len(r.Kinds), len(kinds[r.Product]))
		}
		for _, k := range kinds[r.Product] {
			n, ok := r.Kinds[k]
			if !ok {
				t.Errorf("%s says nothing of %s", id, k)
			}
			if n.Never != "" && len(n.Scopes) > 0 {
				t.Errorf("%s asks scopes of %s although none is enough", id, k)
			}
		}
	}
	for _, p := range []bitbucket.Product{bitbucket.Cloud, bitbucket.DataCenter} {
		for _, f := range []string{bitbucket.FeatureAccounts, bitbucket.FeatureProjects, bitbucket.FeatureRepositories, bitbucket.FeaturePullRequests} {
			if !seen[string(p)+" "+f] {
				t.Errorf("%s of %s has no row", f, p)
			}
		}
	}
}

func TestJudge(t *testing.T) {
	right := func(p bitbucket.Product, feature string) bitbucket.Right {
		rows := bitbucket.RightsOf(p)
		i := slices.IndexFunc(rows, func(r bitbucket.Right) bool { return r.Feature == feature })
		if i < 0 {
			t.Fatalf("%s has no row for %s", p, feature)
		}
		return rows[i]
	}
	for name, c := range map[string]struct {
		product bitbucket.Product
		feature string
		kind    bitbucket.Kind
		granted []string
		unknown bool
		want    bitbucket.Have
		missing []string
	}{
		"granted":                         {product: bitbucket.Cloud, feature: "pull-requests", kind: bitbucket.OAuth, granted: []string{"pullrequest"}, want: bitbucket.HaveYes},
		"by implication":                  {product: bitbucket.Cloud, feature: "repositories", kind: bitbucket.OAuth, granted: []string{"pullrequest:write"}, want: bitbucket.HaveYes},
		"administering is no reading":     {product: bitbucket.Cloud, feature: "repositories", kind: bitbucket.OAuth, granted: []string{"repository:admin"}, want: bitbucket.HaveNo, missing: []string{"repository"}},
		"repository is no pull request":   {product: bitbucket.Cloud, feature: "pull-requests", kind: bitbucket.Token, granted: []string{"repository"}, want: bitbucket.HaveNo, missing: []string{"pullrequest"}},
		"one of several":                  {product: bitbucket.Cloud, feature: "webhooks-write", kind: bitbucket.OAuth, granted: []string{"webhook", "repository"}, want: bitbucket.HaveNo, missing: []string{"pullrequest"}},
		"granular":                        {product: bitbucket.Cloud, feature: "repositories", kind: bitbucket.APIToken, granted: []string{"read:repository:bitbucket"}, want: bitbucket.HaveYes},
		"granular ones imply nothing":     {product: bitbucket.Cloud, feature: "repositories", kind: bitbucket.APIToken, granted: []string{"write:repository:bitbucket"}, want: bitbucket.HaveNo, missing: []string{"read:repository:bitbucket"}},
		"granular told the classic way":   {product: bitbucket.Cloud, feature: "repositories", kind: bitbucket.APIToken, granted: []string{"pullrequest"}, want: bitbucket.HaveYes},
		"nothing granted at all":          {product: bitbucket.Cloud, feature: "repositories", kind: bitbucket.APIToken, want: bitbucket.HaveNo, missing: []string{"read:repository:bitbucket"}},
		"nobody tells":                    {product: bitbucket.Cloud, feature: "repositories", kind: bitbucket.Token, unknown: true, want: bitbucket.HaveUnknown},
		"never":                           {product: bitbucket.Cloud, feature: "repository-permissions", kind: bitbucket.Token, granted: []string{"repository:admin"}, want: bitbucket.HaveNever},
		"never, whatever is told":         {product: bitbucket.Cloud, feature: "repository-permissions", kind: bitbucket.Token, unknown: true, want: bitbucket.HaveNever},
		"a condition beside":              {product: bitbucket.Cloud, feature: "repository-permissions", kind: bitbucket.APIToken, granted: []string{"read:repository:bitbucket"}, want: bitbucket.HaveUnknown},
		"a rare kind of token, granted":   {product: bitbucket.Cloud, feature: "accounts", kind: bitbucket.Token, granted: []string{"account"}, want: bitbucket.HaveYes},
		"a kind of the other product":     {product: bitbucket.Cloud, feature: "repositories", kind: bitbucket.Basic, granted: []string{"repository"}, want: bitbucket.HaveNever},
		"needs nothing":                   {product: bitbucket.DataCenter, feature: "accounts", kind: bitbucket.Token, unknown: true, want: bitbucket.HaveYes},
		"token on administrative paths":   {product: bitbucket.DataCenter, feature: "last-login", kind: bitbucket.Token, granted: []string{"SYS_ADMIN"}, want: bitbucket.HaveNever},
		"higher permission":               {product: bitbucket.DataCenter, feature: "pull-requests", kind: bitbucket.Token, granted: []string{"REPO_ADMIN"}, want: bitbucket.HaveYes},
		"administrator of the project":    {product: bitbucket.DataCenter, feature: "webhooks", kind: bitbucket.Basic, granted: []string{"PROJECT_ADMIN"}, want: bitbucket.HaveYes},
		"administrator of the instance":   {product: bitbucket.DataCenter, feature: "project-permissions", kind: bitbucket.Basic, granted: []string{"SYS_ADMIN"}, want: bitbucket.HaveYes},
		"reader is no administrator":      {product: bitbucket.DataCenter, feature: "branch-restrictions", kind: bitbucket.Basic, granted: []string{"REPO_READ"}, want: bitbucket.HaveNo, missing: []string{"REPO_ADMIN"}},
		"repository is not the project's": {product: bitbucket.DataCenter, feature: "projects", kind: bitbucket.Token, granted: []string{"REPO_ADMIN"}, want: bitbucket.HaveNo, missing: []string{"PROJECT_READ"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, missing := right(c.product, c.feature).Judge(c.kind, c.granted, !c.unknown)
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if diff := cmp.Diff(missing, c.missing); diff != "" {
				t.Errorf("missing (-got +want):\n%s", diff)
			}
		})
	}
}
