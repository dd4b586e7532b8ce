package query

import (
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/store"
)

func TestCheckWarnsAboutUnknownNames(t *testing.T) {
	schema, _ := declaredSchema()
	schema.kinds = append(schema.kinds, store.Kind{ID: 99, Type: "import_host", Classes: []string{"Host"}})
	tests := []struct{ text, want string }{
		{"FIND PR WITH state = 'OPEN' AND tag.AccountName = 'x' AND _beginOn > date.now - 1 day", ""},
		{"FIND bitbucket_pullrequest", ""},
		{"FIND Pr", `the graph has no class "Pr"; did you mean "PR"? at line 1, column 6`},
		{"FIND Repo", `the graph has no class "Repo"; did you mean "CodeRepo"? at line 1, column 6`},
		{"FIND bitbucket_repos", `the graph has no type "bitbucket_repos"; did you mean "bitbucket_repo"? at line 1, column 6`},
		{"FIND PR WITH stat = 'OPEN'", `nothing here has the property "stat"; did you mean "state"? at line 1, column 14`},
		{"FIND (User|PR) WITH state = 'OPEN'", ""},
		{"FIND Host WITH anything = 1", ""},
		{"FIND * WITH anything = 1", ""},
		{
			"FIND PR AS p WHERE p.titel = 'x' RETURN p.stat ORDER BY p.idd",
			`nothing here has the property "titel"; did you mean "title"? at line 1, column 20` +
				` / nothing here has the property "stat"; did you mean "state"? at line 1, column 41` +
				` / nothing here has the property "idd"; did you mean "id"? at line 1, column 57`,
		},
		{"FIND PR ORDER BY createdon", `nothing here has the property "createdon"; did you mean "createdOn"? at line 1, column 18`},
		{"FIND PR AS p WITH", "error"},
		{"FIND PR WITH p.state = 'OPEN' AS p", `properties in WITH stand without an alias; write state at line 1, column 14`},
		{"FIND User THAT OPEND PR", `the graph has no relationship "OPEND"; did you mean "OPENED"? at line 1, column 16`},
		{"FIND User THAT HAS PR", `the graph has no HAS between these two at line 1, column 11`},
		{"FIND PR THAT OPENED >> User", `OPENED goes the other way; turn the arrow round at line 1, column 9`},
		{"FIND User THAT !HAS PR", ""},
		{
			"FIND User THAT REVIEWED PR WHERE REVIEWED.stat = 'x' AND REVIEWED._type != 'x'",
			`nothing here has the property "stat"; did you mean "state"? at line 1, column 34`,
		},
		{
			"FIND * WITH _type = 'bitbucket_rep' AND _class = ('PR' OR 'Usr')",
			`the graph has no type "bitbucket_rep"; did you mean "bitbucket_repo"? at line 1, column 21` +
				` / the graph has no class "Usr"; did you mean "User"? at line 1, column 59`,
		},
	}
	for _, tt := range tests {
		q, err := Parse(tt.text)
		if (err != nil) != (tt.want == "error") {
			t.Errorf("%s: %v", tt.text, err)
		}
		if err != nil {
			continue
		}
		var got []string
		for _, w := range Check(q, schema) {
			got = append(got, w.String())
		}
		if strings.Join(got, " / ") != tt.want {
			t.Errorf("%s\n  got  %s\n  want %s", tt.text, strings.Join(got, " / "), tt.want)
		}
	}
}
