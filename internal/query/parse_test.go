package query

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/windlass-hq/windlass/internal/fault"
)

// sameTree compares trees apart from places and the text they came from.
func sameTree() cmp.Option {
	return cmp.Options{
		cmpopts.IgnoreTypes(Pos{}),
		cmpopts.IgnoreFields(Query{}, "text"),
		cmp.AllowUnexported(Query{}, Operand{}, slot{}, Order{}),
	}
}

func TestParsePrintsTheNormalSpelling(t *testing.T) {
	tests := []struct{ text, want string }{
		{"FIND PR", "FIND PR"},
		{"find pr_x", "FIND pr_x"},
		{"PR", "FIND PR"},
		{"FIND *", "FIND *"},
		{"FIND ( PR | bitbucket_repo )", "FIND (PR|bitbucket_repo)"},
		{"FIND (PR)", "FIND PR"},
		{"FIND UNIQUE User RETURN User.name", "FIND UNIQUE User RETURN User.name"},
		{"FIND UNIQUE", "FIND UNIQUE"},
		{`FIND PR WITH state="OPEN"`, "FIND PR WITH state = 'OPEN'"},
		{`FIND PR WITH title = 'it\'s \\ "here"'`, `FIND PR WITH title = 'it\'s \\ "here"'`},
		{`FIND PR WITH title = 'C:\temp'`, `FIND PR WITH title = 'C:\\temp'`},
		{"FIND PR WITH id=55", "FIND PR WITH id = 55"},
		{"FIND PR WITH id=-5.50", "FIND PR WITH id = -5.5"},
		{"FIND PR WITH id=1.0", "FIND PR WITH id = 1"},
		{"FIND PR WITH approved = FALSE or merged=True", "FIND PR WITH approved = false OR merged = true"},
		{"FIND PR WITH a=1 AND b=2 OR c=3", "FIND PR WITH a = 1 AND b = 2 OR c = 3"},
		{"FIND PR WITH a=1 AND (b=2 OR c=3)", "FIND PR WITH a = 1 AND (b = 2 OR c = 3)"},
		{"FIND PR WITH ((a=1 AND b=2)) AND c=3", "FIND PR WITH a = 1 AND b = 2 AND c = 3"},
		{"FIND PR WITH a=null and b != undefined", "FIND PR WITH a = undefined AND b != undefined"},
		{
			"FIND PR WITH a~='x' AND b^='x' AND c$='x' AND d!~='x' AND e!^='x' AND f!$='x'",
			"FIND PR WITH a ~= 'x' AND b ^= 'x' AND c $= 'x' AND d !~= 'x' AND e !^= 'x' AND f !$= 'x'",
		},
		{"FIND PR WITH a=('x' or 'y') AND b!=(1 and 2)", "FIND PR WITH a = ('x' OR 'y') AND b != (1 AND 2)"},
		{"FIND PR WITH a=('x')", "FIND PR WITH a = 'x'"},
		{"FIND PR WITH createdOn>date.now-7days", "FIND PR WITH createdOn > date.now - 7 days"},
		{"FIND PR WITH createdOn > Date.Now - 24hr", "FIND PR WITH createdOn > date.now - 24 hours"},
		{"FIND PR WITH createdOn < date.now+1 mo", "FIND PR WITH createdOn < date.now + 1 months"},
		{"FIND PR WITH createdOn < date.now + 0 days", "FIND PR WITH createdOn < date.now"},
		{"FIND PR WITH createdOn >= date(2026-01-31)", "FIND PR WITH createdOn >= date(2026-01-31T00:00:00Z)"},
		{
			"FIND PR WITH createdOn >= date('2026-01-31T12:00:00.5+02:00') - 1year",
			"FIND PR WITH createdOn >= date(2026-01-31T10:00:00.5Z) - 1 years",
		},
		{"FIND PR WITH date.now - 7 days > createdOn", "FIND PR WITH createdOn < date.now - 7 days"},
		{"FIND PR WITH 'OPEN' = state", "FIND PR WITH state = 'OPEN'"},
		{"FIND PR WITH authorId = closedById", "FIND PR WITH authorId = closedById"},
		{
			"FIND PR WITH tag.AccountName = 'x' AND [tag.odd-name]=1 AND tag.[odd-name]=1",
			"FIND PR WITH tag.AccountName = 'x' AND [tag.odd-name] = 1 AND [tag.odd-name] = 1",
		},
		{"FIND PR WITH [true]=1 AND [date.now]=date.x", "FIND PR WITH [true] = 1 AND [date.now] = [date.x]"},
		{"FIND PR WITH and=1 AND or=2", "FIND PR WITH and = 1 AND or = 2"},
		{"FIND User that opened PR", "FIND User THAT OPENED PR"},
		{"FIND User THAT (opened|Approved) >> PR AS p", "FIND User THAT (OPENED|APPROVED) >> PR AS p"},
		{"FIND User THAT HAS TO << PR", "FIND User THAT HAS << PR"},
		{"FIND User THAT relates to PR", "FIND User THAT RELATES TO PR"},
		{"FIND User THAT RELATES TO >> AS r PR AS p", "FIND User THAT RELATES TO >> AS r PR AS p"},
		{"FIND User THAT ! IS Person", "FIND User THAT !IS Person"},
		{"FIND User THAT !RELATES TO *", "FIND User THAT !RELATES TO *"},
		{
			"FIND User WITH active=true AS u THAT HAS AS h Device WHERE u.name = h.name AND u.a != ('x' OR h.b)",
			"FIND User WITH active = true AS u THAT HAS AS h Device WHERE u.name = h.name AND u.a != ('x' OR h.b)",
		},
		{"FIND User THAT HAS Device WHERE has.x = 1", "FIND User THAT HAS Device WHERE has.x = 1"},
		{
			"FIND User AS u RETURN u, u.*, u.name AS \"the name\", count(u) AS value, Sum(u.[a b])",
			"FIND User AS u RETURN u, u.*, u.name AS 'the name', COUNT(u) AS value, SUM(u.[a b])",
		},
		{"FIND PR AS p RETURN p.x as y order by y desc skip 5 limit 10", "FIND PR AS p RETURN p.x AS y ORDER BY y DESC SKIP 5 LIMIT 10"},
		{"FIND PR AS p LIMIT 10 RETURN p.x ORDER BY p.y ASC", "FIND PR AS p RETURN p.x ORDER BY p.y LIMIT 10"},
		{"FIND PR ORDER BY createdOn DESC", "FIND PR ORDER BY createdOn DESC"},
		{"FIND PR ORDER BY 'tag.AccountName'", "FIND PR ORDER BY 'tag.AccountName'"},
		{"FIND PR AT '2026-01-31'", "FIND PR AT date(2026-01-31T00:00:00Z)"},
		{"FIND PR at date.now - 2weeks", "FIND PR AT date.now - 2 weeks"},
		{"/* all */ FIND /* of * them */ PR/**/", "FIND PR"},
		{"FIND\tPR\r\nWITH\n state\u00a0=\n'OPEN'", "FIND PR WITH state = 'OPEN'"},
		{"FIND PR WITH Größe > 5", "FIND PR WITH Größe > 5"},
	}
	for _, tt := range tests {
		q, err := Parse(tt.text)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.text, err)
			continue
		}
		if got := q.String(); got != tt.want {
			t.Errorf("Parse(%q) prints\n  got  %s\n  want %s", tt.text, got, tt.want)
		}
		again, err := Parse(q.String())
		if err != nil {
			t.Errorf("Parse(%q), as printed: %v", q.String(), err)
			continue
		}
		if diff := cmp.Diff(q, again, sameTree()); diff != "" {
			t.Errorf("%q changes when printed and parsed again:\n%s", tt.text, diff)
		}
	}
}

func TestParseReadsTheConformanceCases(t *testing.T) {
	// reference/jupiterone.md 3.9, without the two that use TREE and those of other sections.
	for _, text := range []string{
		`FIND PR WITH approved = false OR validated = false`,
		`FIND PR WITH approved=false AND (createdOn > date.now-7days OR updatedOn > date.now-7days)`,
		`FIND PR WITH approved=false AND merged=true AND updatedOn > date.now-30days AS pr RETURN COUNT(pr) AS value`,
		`FIND Person AS p THAT IS User AS u THAT OPENED PR WITH state='OPEN' AS pr RETURN p.displayName AS x, COUNT(pr) AS y ORDER BY y DESC LIMIT 10`,
		`FIND CodeRepo AS repo THAT (HAS|OWNS) (Project|Account) AS p RETURN p.name AS name, COUNT(repo) AS value`,
		`FIND CodeRepo WITH _beginOn > date.now-24hr AND _version=1`,
		`FIND Person WITH firstName='Charlie' THAT IS (github_user|bitbucket_user) THAT OPENED PR WITH _createdOn > date.now - 5days AS PR RETURN PR.displayName, PR.name, PR.webLink`,
		`FIND User AS u THAT OPENED PR AS PR THAT HAS CodeRepo WITH name='repo-name' AS repo RETURN u.displayName, u.username, PR.displayName, PR.name, PR._createdOn, repo.name ORDER BY PR._createdOn LIMIT 5`,
		`FIND PR WITH id=55 AS PR THAT RELATES TO CodeRepo WITH name='my-new-project' RETURN PR.approved, PR.validated`,
		`FIND CodeRepo THAT RELATES TO (Application|Project) WITH name='JupiterOne'`,
		`FIND bitbucket_project AS project THAT RELATES TO bitbucket_team AS team THAT RELATES TO bitbucket_user AS user RETURN project.name, team.name, COUNT(user)`,
		`FIND User THAT !IS Person`,
		`FIND github_pullrequest WITH open = true AND updatedOn <= date.now-7days`,
		`FIND Training THAT ASSIGNED User WHERE ASSIGNED.completedOn = undefined`,
		`FIND User AS r THAT HAS Device AS d WHERE r.tag.AccountName != d.tag.Environment`,
	} {
		if _, err := Parse(text); err != nil {
			t.Errorf("Parse(%q): %v", text, err)
		}
	}
}

func TestParsePointsAtTheProblem(t *testing.T) {
	tests := []struct {
		text         string
		line, column int
		message      string // part of message and hint
	}{
		{"", 1, 1, "unexpected end of the query; expected a class, a type"},
		{"FIND", 1, 5, "unexpected end"},
		{"FIND WITH x = 1", 1, 6, `unexpected token "WITH"`},
		{"FIND PR WIHT x = 1", 1, 9, `unexpected token "WIHT"; did you mean WITH?`},
		{"FIND PR\nTHTA HAS Repo", 2, 1, "did you mean THAT?"},
		{"FIND PR WITH", 1, 13, "expected a property"},
		{"FIND PR WITH state", 1, 19, "expected a comparison"},
		{"FIND PR WITH state =", 1, 21, "expected a value"},
		{"FIND PR WITH state = 'OPEN", 1, 22, "no end"},
		{"FIND PR /* never", 1, 9, "no end"},
		{"FIND PR WITH [x = 1", 1, 14, "no end"},
		{`FIND PR WITH [a"b] = 1`, 1, 14, "must not"},
		{"FIND PR WITH a == 1", 1, 17, `unexpected token "="`},
		{"FIND PR WITH a = (1 OR 2 AND 3)", 1, 26, "mixes AND and OR"},
		{"FIND PR WITH a = (1, 2)", 1, 20, "expected OR, AND"},
		{"FIND PR WITH a ~= 5", 1, 19, "compares strings only; put it in quotes"},
		{"FIND PR WITH a > 'x'", 1, 18, "compares numbers and dates only"},
		{"FIND PR WITH a > '2026-01-31'", 1, 18, "write date(2026-01-31)"},
		{"FIND PR WITH a > undefined", 1, 18, "compares numbers and dates only"},
		{"FIND PR WITH (a = 1", 1, 20, `expected ")"`},
		{"FIND PR WITH 1 = 2", 1, 18, "needs a property"},
		{"FIND PR WITH 'x' ~= a", 1, 18, "needs a property on its left"},
		{"FIND PR WITH a = date(yesterday)", 1, 23, "is no date"},
		{"FIND PR WITH a > date.now - 7", 1, 30, "expected a unit"},
		{"FIND PR WITH a > date.now - 7 dayz", 1, 31, "did you mean days?"},
		{"FIND PR WITH a > date.now - 9999999999 days", 1, 29, "up to a million"},
		{"FIND PR WITH a = 1e999", 1, 18, "too large"},
		{"FIND PR AS p WITH a = 1", 1, 14, `unexpected token "WITH"; write WITH`},
		{"FIND PR AS count", 1, 12, "is a word of the language"},
		{"FIND PR AS p THAT HAS Repo AS p", 1, 31, "stands twice"},
		{"FIND PR THAT Repo", 1, 18, "expected a class"},
		{"FIND (PR|", 1, 10, "expected a class or type"},
		{"FIND PR THAT HAS <> Repo", 1, 18, `unexpected token "<"`},
		{"FIND PR THAT !HAS Repo THAT HAS User", 1, 24, "nothing can follow a negated hop"},
		{"FIND PR AS p RETURN q.x", 1, 21, `nothing in the query is named "q"`},
		{"FIND PR AS pull RETURN pul.x", 1, 24, `did you mean "pull"?`},
		{"FIND PR AS p THAT !HAS Repo AS r RETURN r.x", 1, 41, "behind a negated hop"},
		{"FIND User THAT IS User RETURN User.x", 1, 31, "several places"},
		{"FIND PR AS p RETURN p.x, p.x", 1, 26, "two columns"},
		{"FIND PR AS p RETURN COUNT(*)", 1, 27, "write COUNT(alias)"},
		{"FIND PR AS p RETURN SUM(p)", 1, 25, "needs a property"},
		{"FIND PR AS p RETURN CUONT(p)", 1, 21, `did you mean "COUNT"?`},
		{"FIND PR AS p RETURN p.* AS x", 1, 28, "leave out AS"},
		{"FIND PR AS p RETURN p.x ORDER BY z", 1, 34, "neither a column nor a property"},
		{"FIND PR AS p RETURN COUNT(p) ORDER BY p.x", 1, 39, "add it to RETURN"},
		{"FIND PR AS p THAT HAS Repo AS r ORDER BY r.x", 1, 42, "properties of the start only"},
		{"FIND PR AS p RETURN p ORDER BY p", 1, 32, "whole entity"},
		{"FIND PR LIMIT x", 1, 15, "a whole number"},
		{"FIND PR LIMIT -1", 1, 15, "a whole number"},
		{"FIND PR LIMIT 1 LIMIT 2", 1, 17, "LIMIT stands twice"},
		{"FIND PR AT noon", 1, 12, "expected date.now"},
		{"FIND PR AT 'noon'", 1, 12, "is no date"},
		{"FIND PR ; DROP TABLE entity", 1, 9, `unexpected character ";"`},
		{"FIND PR WITH a = 'x\x00'", 1, 18, "NUL"},
		{"FIND \xff", 1, 6, "not valid UTF-8"},
		{"FIND PR\n  WITH größe = 'ä' AND\n  ö ! 1", 3, 5, `unexpected token "!"`},
		{"FIND " + strings.Repeat("x", 100) + " !", 1, 107, `unexpected token "!"`},
	}
	for _, tt := range tests {
		_, err := Parse(tt.text)
		p, ok := ProblemOf(err)
		if !ok {
			t.Errorf("Parse(%q) = %v, want a problem", tt.text, err)
			continue
		}
		whole := p.Message + "; " + p.Hint
		if p.Pos.Line != tt.line || p.Pos.Column != tt.column || !strings.Contains(whole, tt.message) {
			t.Errorf("Parse(%q):\n  got  %d:%d %s\n  want %d:%d …%s…", tt.text, p.Pos.Line, p.Pos.Column, whole, tt.line, tt.column, tt.message)
		}
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("Parse(%q) has code %s, want invalid", tt.text, fault.CodeOf(err))
		}
	}
}

func TestParseRefusesWhatIsNotYetSupported(t *testing.T) {
	tests := []struct {
		text      string
		column    int
		construct string
	}{
		{"FIND '127.0.0.1'", 6, "full text search"},
		{"'Charlie' THAT OPENED PR", 1, "full text search"},
		{"FIND User (THAT IS Person)? RETURN User", 11, "optional traversal"},
		{"FIND #CriticalAsset", 6, "smart class #CriticalAsset"},
		{"FIND PR WITH title = /fix/i", 22, "regular expression"},
		{"FIND PR WITH id = (FIND PR AS p RETURN p.id)", 19, "subquery"},
		{"FIND PR WITH id = ${id}", 19, "parameters"},
		{"FIND User THAT OPENED PR RETURN TREE", 33, "RETURN TREE"},
		{"FIND PR AS p RETURN SUM(p.x) * 2", 30, "arithmetic"},
		{"FIND PR AS p RETURN CONCAT(p.x, p.y)", 21, "function CONCAT"},
		{"FIND PR AS p RETURN 'x'", 21, "constants and arithmetic"},
	}
	for _, tt := range tests {
		_, err := Parse(tt.text)
		p, ok := ProblemOf(err)
		if !ok || p.Pos.Column != tt.column || !strings.Contains(p.Message, tt.construct) || !strings.HasSuffix(p.Message, "not yet supported") {
			t.Errorf("Parse(%q) = %v, want %q refused at column %d", tt.text, err, tt.construct, tt.column)
		}
	}
}

func TestProblemShowsTheLine(t *testing.T) {
	_, err := Parse("FIND PR\n\tWITH state IS 'OPEN'")
	want := "the query cannot be read: unexpected token \"IS\" at line 2, column 13; " +
		"expected a comparison: = != > < >= <= ~= ^= $= !~= !^= !$=\n" +
		"   WITH state IS 'OPEN'\n" +
		"              ^"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestParseBoundsWhatItReads(t *testing.T) {
	for name, text := range map[string]string{
		"depth":  "FIND PR WITH " + strings.Repeat("(", 1000) + "a = 1",
		"length": "FIND PR WITH a = '" + strings.Repeat("x", maxText) + "'",
		"values": "FIND PR WITH a = (1" + strings.Repeat(" OR 1", maxValues) + ")",
		"items":  "FIND PR AS p RETURN p.x" + strings.Repeat(", p.y", maxItems),
		"hops":   "FIND PR" + strings.Repeat(" THAT HAS PR", maxHops+1),
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("%s: got %v, want a refusal that names the bound", name, err)
		}
	}
}

func TestDateResolves(t *testing.T) {
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"date.now":                        "2026-03-31T12:00:00Z",
		"date.now - 90 minutes":           "2026-03-31T10:30:00Z",
		"date.now - 24hr":                 "2026-03-30T12:00:00Z",
		"date.now + 1 day":                "2026-04-01T12:00:00Z",
		"date.now - 2 weeks":              "2026-03-17T12:00:00Z",
		"date.now - 1 month":              "2026-03-03T12:00:00Z", // 31 February overflows, as in Go's calendar
		"date.now - 2 yrs":                "2024-03-31T12:00:00Z",
		"date(2026-01-01) + 1mo":          "2026-02-01T00:00:00Z",
		"date(2026-01-01T00:00:00+01:00)": "2025-12-31T23:00:00Z",
	} {
		q, err := Parse("FIND PR WITH x > " + text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := q.Start.With.(*Compare).Right.Values[0].Date.Resolve(now).Format(time.RFC3339)
		if got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"FIND PR WITH state='OPEN' AND (a > 1 OR [b c] !~= \"x\") AS p THAT !HAS >> (A|b_c) RETURN p.x, COUNT(p) AS n ORDER BY n DESC LIMIT 5",
		"FIND * WITH a = (1 OR undefined) AND d < date.now - 7days AND e > date(2026-01-01T00:00:00Z)+1mo AT '2026-01-01'",
		"FIND User THAT (OPENED|APPROVED) AS r PR WHERE r.x = PR.y RETURN r.*, User",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			p, ok := ProblemOf(err)
			if !ok {
				t.Fatalf("error without a place: %v", err)
			}
			if p.Pos.Line < 1 || p.Pos.Column < 1 {
				t.Fatalf("place %+v of %q", p.Pos, text)
			}
			return
		}
		again, err := Parse(q.String())
		if err != nil {
			t.Fatalf("%q prints as %q, which does not parse: %v", text, q.String(), err)
		}
		if diff := cmp.Diff(q, again, sameTree()); diff != "" {
			t.Fatalf("%q prints as %q, which differs:\n%s", text, q.String(), diff)
		}
	})
}
