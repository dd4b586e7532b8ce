package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
)

type runsCmd struct {
	Name          string `arg:"" optional:"" help:"Name of a connection; all where absent."`
	Limit         *int   `help:"How many: of runs the newest 20 unless given, of listings all." placeholder:"N"`
	Completeness  bool   `help:"How well everything is known that the connection reads, without the runs."`
	Scopes        bool   `help:"The listings themselves, one a line."`
	State         string `enum:",complete,windowed,partial,failed,denied,disabled,unread" default:"" help:"With --scopes: only listings in this state." placeholder:"STATE"`
	Listing       string `help:"With --scopes: only listings of this kind, such as user-permissions." placeholder:"KIND"`
	NeverComplete bool   `help:"With --scopes: only listings that have never been read to their end."`
	Ledger        string `help:"The states of one listing over time; by its number, its title, or parent/listing." placeholder:"SCOPE"`
	listing
}

// Help implements kong.HelpProvider.
func (runsCmd) Help() string {
	return `With a name, what follows the runs says how well everything is known that the connection reads. As JSON and CSV
that is apart: --completeness.

Examples:
  windlass runs
  windlass runs acme
  windlass runs acme --completeness -o json
  windlass runs acme --scopes --state denied
  windlass runs acme --ledger 'pull requests of acme/website'`
}

// Run lists.
func (c runsCmd) Run(s *session) error {
	if err := c.check(); err != nil {
		return err
	}
	return s.with(func(d door) error {
		switch {
		case c.Ledger != "":
			return c.ledger(s, d)
		case c.scopes():
			return c.list(s, d)
		case c.Completeness:
			return c.completeness(s, d)
		}
		if err := c.runs(s, d); err != nil || c.Name == "" || c.Output != "table" {
			return err
		}
		fmt.Fprintln(s.Out)
		return c.completeness(s, d)
	})
}

// scopes reports whether the listings themselves are wanted; a filter alone says so too.
func (c runsCmd) scopes() bool {
	return c.Scopes || c.State != "" || c.Listing != "" || c.NeverComplete
}

func (c runsCmd) check() error {
	if c.Limit != nil && *c.Limit < 1 {
		return fault.New(fault.Usage, "--limit is %d", *c.Limit).With("give a number above zero")
	}
	var wanted []string
	for _, w := range []struct {
		name string
		is   bool
	}{{"--completeness", c.Completeness}, {"--scopes", c.scopes()}, {"--ledger", c.Ledger != ""}} {
		if w.is {
			wanted = append(wanted, w.name)
		}
	}
	if len(wanted) > 1 {
		return fault.New(fault.Usage, "%s cannot be given together", strings.Join(wanted, " and ")).With("leave one of them out")
	}
	if len(wanted) == 1 && c.Name == "" {
		return fault.New(fault.Usage, "%s takes the name of a connection", wanted[0]).With("windlass connection list shows the names")
	}
	return nil
}

func (c runsCmd) runs(s *session, d door) error {
	limit := 20
	if c.Limit != nil {
		limit = *c.Limit
	}
	runs := []client.Run{}
	for cursor := ""; len(runs) < limit; {
		page, err := d.Runs(s.ctx, client.RunFilter{Connection: c.Name, Limit: min(limit-len(runs), 1000), Cursor: cursor})
		if err != nil {
			return err
		}
		runs = append(runs, page.Items...)
		if cursor = page.Cursor; cursor == "" {
			break
		}
	}
	rows := make([][]string, len(runs))
	for i, r := range runs {
		took, changes, held := "", "", ""
		if r.Summary != nil {
			took = fmt.Sprintf("%.1f s", r.Summary.Seconds)
			c := r.Summary.Changes
			changes = fmt.Sprintf("+%d ~%d -%d", c.Created, c.Updated, c.Deleted)
			if r.Summary.Held > 0 {
				held = strconv.Itoa(r.Summary.Held)
			}
		}
		rows[i] = []string{
			strconv.FormatInt(r.ID, 10), orElse(r.Connection, "(removed)"), r.Status, moment(r.StartedAt), took,
			strconv.FormatInt(r.Calls, 10), changes, held, remark(r),
		}
	}
	return c.print(s.Out, runs, []string{"run", "connection", "status", "started", "took", "calls", "changes", "held", "remark"}, rows)
}

// remark is why a run failed, or else what a person should look at although it did not.
func remark(r client.Run) string {
	text := r.Error
	if text == "" && r.Summary != nil {
		text = strings.Join(r.Summary.Warnings, "; ")
	}
	return firstLineOf(text)
}

// completeness shows how many listings of each kind are in which state, then what was denied and what was never read.
func (c runsCmd) completeness(s *session, d door) error {
	k, err := d.Completeness(s.ctx, c.Name)
	if err != nil {
		return err
	}
	number := func(n int) string {
		if n == 0 && c.Output == "table" {
			return ""
		}
		return strconv.Itoa(n)
	}
	rows := make([][]string, len(k.Listings))
	for i, t := range k.Listings {
		rows[i] = []string{
			t.Listing, number(t.Scopes), number(t.Complete), number(t.Windowed), number(t.Partial), number(t.Failed), number(t.Denied),
			number(t.Disabled), number(t.Unread), number(t.NeverComplete), momentOf(t.Oldest), kept(t, s.Now()),
		}
	}
	header := []string{"listing", "scopes", "complete", "windowed", "partial", "failed", "denied", "disabled", "unread", "never complete", "oldest", "age"}
	if c.Output == "table" {
		header, rows = withoutBlank(header, rows)
	}
	if err := c.print(s.Out, k, header, rows); err != nil || c.Output != "table" {
		return err
	}
	printGroups(s, "Denied:", c.Name, "--state denied", k.Denied)
	printGroups(s, "Never read to their end, beside what is denied:", c.Name, "--never-complete", slices.DeleteFunc(k.NeverComplete, isDenied))
	return nil
}

// isDenied tells groups that are printed as denied already.
func isDenied(g client.ScopeGroup) bool { return g.State == "denied" }

// withoutBlank leaves out the columns of a table in which nothing stands.
func withoutBlank(header []string, rows [][]string) ([]string, [][]string) {
	for i := len(header) - 1; i > 0; i-- {
		if slices.ContainsFunc(rows, func(r []string) bool { return r[i] != "" }) {
			continue
		}
		header = slices.Delete(header, i, i+1)
		for j := range rows {
			rows[j] = slices.Delete(rows[j], i, i+1)
		}
	}
	return header, rows
}

// kept words the age of the oldest listing of a kind beside what it may be.
func kept(t client.ListingTotals, now time.Time) string {
	if t.Oldest == nil {
		return ""
	}
	text := duration(int64(max(0, now.Sub(*t.Oldest)) / time.Second))
	switch {
	case t.Overdue:
		return text + ", overdue: at most " + duration(t.AtMost)
	case t.AtMost > 0:
		return text + " of at most " + duration(t.AtMost)
	}
	return text
}

// groupsShown is how many groups of listings are printed; --scopes lists everything.
const groupsShown = 20

func printGroups(s *session, title, name, filter string, groups []client.ScopeGroup) {
	if len(groups) == 0 {
		return
	}
	fmt.Fprintf(s.Out, "\n%s\n", title)
	for i, g := range groups {
		if i == groupsShown {
			fmt.Fprintf(s.Out, "  … and more: windlass runs %s --scopes %s\n", name, filter)
			return
		}
		names := ""
		if g.Count > 1 {
			shown := make([]string, len(g.Titles))
			for i, t := range g.Titles {
				shown[i] = printable(shortTitle(t))
			}
			names = "\n    " + strings.Join(shown, ", ")
			if more := g.Count - len(shown); more > 0 {
				names += " and " + thousands(int64(more)) + " more: windlass runs " + name + " --scopes " + filter + " --listing " + g.Listing
			}
		}
		state := orElse(g.State, "not read yet")
		if g.State == "complete" { // what is never complete is not; another process may have read it just now
			state = "read meanwhile"
		}
		fmt.Fprintf(s.Out, "  %s: %s%s%s%s\n", printable(g.What()), state, colon(g.Reason), needed(g.Needs), names)
	}
}

func needed(right string) string {
	if right == "" {
		return ""
	}
	return "; it takes " + printable(right)
}

// shortTitle leaves out of a title such as "pull requests of acme/website" what the line before has said.
func shortTitle(title string) string {
	if _, of, ok := strings.Cut(title, " of "); ok {
		return of
	}
	return title
}

// list prints the listings themselves.
func (c runsCmd) list(s *session, d door) error {
	most := -1
	if c.Limit != nil {
		most = *c.Limit
	}
	scopes := []client.Scope{}
	f := client.ScopeFilter{State: c.State, Listing: c.Listing, NeverComplete: c.NeverComplete}
	for {
		f.Limit = 1000
		if most >= 0 {
			f.Limit = min(most-len(scopes), f.Limit)
		}
		page, err := d.Scopes(s.ctx, c.Name, f)
		if err != nil {
			return err
		}
		scopes = append(scopes, page.Items...)
		if f.Cursor = page.Cursor; f.Cursor == "" {
			break
		}
		if len(scopes) == most {
			s.note("there are more: raise --limit")
			break
		}
	}
	rows := make([][]string, len(scopes))
	for i, sc := range scopes {
		rows[i] = []string{
			strconv.FormatInt(sc.ID, 10), sc.Listing, orElse(sc.Title, sc.Parent), orElse(sc.State, "unread"), momentOf(sc.Since),
			momentOf(sc.LastComplete), strconv.Itoa(sc.Members), sc.Reason,
		}
	}
	return c.print(s.Out, scopes, []string{"scope", "listing", "title", "state", "since", "last complete", "objects", "reason"}, rows)
}

// ledger prints the states of one listing over time.
func (c runsCmd) ledger(s *session, d door) error {
	l, err := d.Ledger(s.ctx, c.Name, c.Ledger)
	if err != nil {
		return err
	}
	if c.Limit != nil {
		l.Rows = l.Rows[:min(*c.Limit, len(l.Rows))]
	}
	windowed := slices.ContainsFunc(l.Rows, func(r client.LedgerRow) bool { return r.WindowFrom != nil })
	header := []string{"since", "until", "state", "calls", "first run", "last run"}
	if windowed {
		header = append(header, "read back to")
	}
	header = append(header, "reason")
	rows := make([][]string, len(l.Rows))
	for i, r := range l.Rows {
		rows[i] = []string{
			moment(r.Since), moment(r.Until), r.State, strconv.FormatInt(r.Calls, 10), strconv.FormatInt(r.FirstRun, 10), strconv.FormatInt(r.LastRun, 10),
		}
		if windowed {
			rows[i] = append(rows[i], momentOf(r.WindowFrom))
		}
		rows[i] = append(rows[i], r.Reason)
	}
	if c.Output == "table" {
		first := "never read to its end"
		if l.Scope.FirstComplete != nil {
			first = "read to its end for the first time " + moment(*l.Scope.FirstComplete)
		}
		fmt.Fprintf(s.Out, "%s (scope %d): %s, %s known\n\n", printable(orElse(l.Scope.Title, l.Scope.Listing)), l.Scope.ID, first, amount(l.Scope.Members, "object"))
	}
	return c.print(s.Out, l, header, rows)
}
