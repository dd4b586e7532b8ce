package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
)

type connectionCmd struct {
	List       connectionListCmd   `cmd:"" help:"List all connections."`
	Show       connectionShowCmd   `cmd:"" help:"Show everything about one connection."`
	Test       connectionTestCmd   `cmd:"" help:"Check the credentials of a connection live."`
	Edit       connectionEditCmd   `cmd:"" help:"Change a connection."`
	Remove     connectionRemoveCmd `cmd:"" help:"Remove a connection, its credentials and what only it sees."`
	Credential credentialCmd       `cmd:"" help:"Look after the credentials of a connection."`
}

type connectionListCmd struct{ listing }

// Help implements kong.HelpProvider.
func (connectionListCmd) Help() string { return "Example:\n  windlass connection list -o json" }

// Run lists.
func (c connectionListCmd) Run(s *session) error {
	return s.with(func(d door) error {
		list, err := d.Connections(s.ctx)
		if err != nil {
			return err
		}
		rows := make([][]string, len(list))
		for i, n := range list {
			status, when := "never read", ""
			if n.LastRun != nil {
				status, when = n.LastRun.Status, moment(n.LastRun.StartedAt)
			}
			rows[i] = []string{n.Name, n.Product, covers(n), n.AccountName, n.Interval, status, when, n.Description}
		}
		return c.print(s.Out, list, []string{"name", "product", "reads", "account", "interval", "last run", "started", "description"}, rows)
	})
}

// covers says in one cell what a connection reads.
func covers(n client.Connection) string {
	if n.Product == "datacenter" {
		return n.Settings["url"] + leading(" ", n.Settings["projects"])
	}
	return orElse(n.Settings["workspaces"], "all workspaces")
}

type connectionShowCmd struct {
	Name string `arg:"" help:"Name of the connection."`
	listing
}

// Help implements kong.HelpProvider.
func (connectionShowCmd) Help() string { return "Example:\n  windlass connection show acme" }

// Run shows.
func (c connectionShowCmd) Run(s *session) error {
	return s.with(func(d door) error {
		n, err := d.Connection(s.ctx, c.Name)
		if err != nil {
			return err
		}
		rows := [][]string{
			{"name", n.Name},
			{"product", n.Product},
			{"account name", n.AccountName + tagged(n.TagAccountName)},
			{"description", n.Description},
			{"interval", n.Interval},
			{"created", moment(n.CreatedAt)},
		}
		for _, k := range slices.Sorted(maps.Keys(n.Settings)) {
			rows = append(rows, []string{k, n.Settings[k]})
		}
		for _, k := range n.Credentials {
			rows = append(rows, []string{fmt.Sprintf("credential %d", k.ID), describe(k)})
		}
		for _, b := range n.Budgets {
			rows = append(rows, []string{"budget " + b.Group, budget(b)})
		}
		for _, st := range n.Staleness {
			rows = append(rows, []string{"age of " + listingOf(n, st.Listing), age(st, s.Now())})
		}
		if r := n.LastRun; r != nil {
			rows = append(rows, []string{"last run", fmt.Sprintf("%d %s, started %s", r.ID, r.Status, moment(r.StartedAt))})
		}
		rows = append(rows, []string{"objects", counts(n.Objects)}, []string{"listings", counts(n.Scopes)})
		if n.Held > 0 {
			rows = append(rows, []string{"held closings", fmt.Sprintf("%d; see windlass runs %s", n.Held, n.Name)})
		}
		return c.print(s.Out, n, []string{"what", "value"}, rows)
	})
}

// budget words what a principal has spent.
func budget(b client.Budget) string {
	text := orElse(b.Name, b.Principal) + ": " + many(b.Spent, "call") + " in the last hour"
	if b.Allowance > 0 {
		text += fmt.Sprintf(" of %s (Windlass takes at most %s)", thousands(int64(b.Allowance)), thousands(int64(b.Share)))
	}
	if b.RestsUntil != nil {
		text += ", rests until " + moment(*b.RestsUntil)
	}
	return text
}

// listingOf is what people call a listing: where Cloud has its workspaces, Data Center has the instance itself.
func listingOf(n client.ConnectionDetail, listing string) string {
	if n.Product == "datacenter" && listing == "workspaces" {
		return "the instance"
	}
	return listing
}

// age words how old what is known of a kind of listing can be.
func age(st client.Staleness, now time.Time) string {
	var parts []string
	if st.Oldest != nil {
		parts = append(parts, "at most "+duration(int64(max(0, now.Sub(*st.Oldest))/time.Second))+" now")
	}
	switch {
	case st.AtMost == 0:
		parts = append(parts, "no limit: no interval is set")
	case st.Overdue:
		parts = append(parts, "overdue: it should be at most "+duration(st.AtMost))
	default:
		parts = append(parts, "never above "+duration(st.AtMost)+" while runs are on time")
	}
	if st.Unread > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s not read to their end yet", thousands(int64(st.Unread)), many(st.Listings, "listing")))
	}
	return strings.Join(parts, "; ")
}

// duration words seconds in their largest unit and the next.
func duration(seconds int64) string {
	switch d := time.Duration(seconds) * time.Second; {
	case d < time.Minute:
		return fmt.Sprintf("%d s", seconds)
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}

func tagged(shown bool) string {
	if shown {
		return ""
	}
	return " (tag.AccountName is not shown)"
}

func describe(k client.Credential) string {
	parts := []string{k.Kind}
	if k.Identity != "" {
		parts = append(parts, k.Identity)
	}
	if k.Role != "" {
		parts = append(parts, "for "+k.Role)
	}
	if v := k.Verdict; v != nil {
		switch {
		case !v.Valid:
			parts = append(parts, "refused: "+v.Problem)
		case len(v.Missing) > 0:
			parts = append(parts, "lacks "+strings.Join(v.Missing, ", "))
		default:
			parts = append(parts, "works"+as(v.Principal))
		}
	}
	if k.ExpiresAt != nil {
		parts = append(parts, "expires "+moment(*k.ExpiresAt))
	}
	return strings.Join(parts, ", ")
}

type connectionTestCmd struct {
	Name   string `arg:"" help:"Name of the connection."`
	Output string `short:"o" enum:"table,json" default:"table" help:"Form of the output: table or json." placeholder:"FORM"`
}

// Help implements kong.HelpProvider.
func (connectionTestCmd) Help() string {
	return "Ends with 1 when something that is wanted cannot be read.\n\nExample:\n  windlass connection test acme"
}

// Run tests.
func (c connectionTestCmd) Run(s *session) error {
	return s.with(func(d door) error {
		check, err := d.TestConnection(s.ctx, c.Name)
		if err != nil {
			return err
		}
		if c.Output == "json" {
			if err := printJSON(s.Out, check); err != nil {
				return err
			}
		} else {
			printCheck(s, check)
		}
		if !check.OK {
			return silent{fault.New(fault.Denied, "the connection does not work fully")}
		}
		return nil
	})
}

type connectionEditCmd struct {
	Name                 string            `arg:"" help:"Name of the connection."`
	AccountName          *string           `help:"What tag.AccountName says." placeholder:"NAME"`
	TagAccountName       *bool             `negatable:"" help:"Show tag.AccountName."`
	Description          *string           `help:"What it is, for people." placeholder:"TEXT"`
	Interval             *string           `help:"How often it is read." placeholder:"TIME"`
	Workspace            *string           `help:"Workspaces by slug, separated by commas, or all." placeholder:"W,…"`
	APIURL               *string           `name:"api-url" help:"URL of the API." placeholder:"URL"`
	SiteURL              *string           `name:"site-url" help:"URL of the site." placeholder:"URL"`
	URL                  *string           `name:"url" help:"Address of the Data Center, after a move; what is known of it stays." placeholder:"URL"`
	Project              *string           `help:"Projects of the Data Center by key, separated by commas, or all." placeholder:"KEY,…"`
	PullRequests         *string           `help:"Read pull requests: true or false." placeholder:"BOOL"`
	EnrichedPullRequests *string           `help:"Read review detail: true or false." placeholder:"BOOL"`
	Permissions          *string           `help:"Read permissions: true or false." placeholder:"BOOL"`
	History              *string           `help:"How far back pull requests go: none, all, or a time." placeholder:"TIME"`
	Set                  map[string]string `help:"Any other option; an empty value removes it." placeholder:"KEY=VALUE"`
	Yes                  bool              `help:"Store where to read, and what, without trying it first."`
}

// Help implements kong.HelpProvider.
func (connectionEditCmd) Help() string {
	return `Only what is given changes. A new address, workspace or project is tried before it is stored.

Examples:
  windlass connection edit acme --interval 4h
  windlass connection edit acme --set proxy=
  windlass connection edit corp --url https://bitbucket.new.example.com`
}

// Run changes.
func (c connectionEditCmd) Run(s *session) error {
	u := client.ConnectionUpdate{
		AccountName: c.AccountName, TagAccountName: c.TagAccountName, Description: c.Description, Interval: c.Interval,
		Settings: map[string]string{}, Unchecked: c.Yes,
	}
	for name, v := range map[string]*string{
		"api-url": c.APIURL, "site-url": c.SiteURL, "url": c.URL, "pull-requests": c.PullRequests,
		"enriched-pull-requests": c.EnrichedPullRequests, "permissions": c.Permissions, "history": c.History,
	} {
		if v != nil {
			u.Settings[name] = *v
		}
	}
	for name, v := range map[string]*string{"workspaces": c.Workspace, "projects": c.Project} {
		if v != nil {
			list := strings.Join(split(*v), ",")
			if list == "all" {
				list = ""
			}
			u.Settings[name] = list
		}
	}
	maps.Copy(u.Settings, c.Set)
	if len(u.Settings) == 0 && u.AccountName == nil && u.TagAccountName == nil && u.Description == nil && u.Interval == nil {
		return fault.New(fault.Usage, "nothing to change was given").With("windlass connection edit --help lists what can change")
	}
	return s.with(func(d door) error {
		n, err := d.UpdateConnection(s.ctx, c.Name, u)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.Out, "Changed %s.\n", n.Name)
		return nil
	})
}

type connectionRemoveCmd struct {
	Name string `arg:"" help:"Name of the connection."`
	Yes  bool   `help:"Do not ask."`
}

// Help implements kong.HelpProvider.
func (connectionRemoveCmd) Help() string {
	return "Shows what goes and what stays, and asks. History is kept.\n\nExample:\n  windlass connection remove acme"
}

// Run removes.
func (c connectionRemoveCmd) Run(s *session) error {
	return s.with(func(d door) error {
		p, err := d.PreviewRemoval(s.ctx, c.Name)
		if err != nil {
			return err
		}
		printRemoval(s, p)
		if !c.Yes {
			ok, err := s.confirm("Remove " + c.Name + "?")
			if err != nil {
				return err
			}
			if !ok {
				fmt.Fprintln(s.Out, "Nothing was removed.")
				return silent{fault.New(fault.Canceled, "not confirmed")}
			}
		}
		if p.Hooks > hooksAtOnce {
			if err := s.removeHooks(d, c.Name); err != nil {
				return err
			}
		}
		done, err := d.RemoveConnection(s.ctx, c.Name)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.Out, "Removed %s.\n", c.Name)
		s.leftBehind(done.LeftBehind)
		return nil
	})
}

func printRemoval(s *session, p client.Removal) {
	amount := func(what map[string]int, and string) string {
		if len(what) == 0 {
			return "nothing"
		}
		return counts(what) + and
	}
	fmt.Fprintf(s.Out, "Removing %s\n", p.Connection)
	fmt.Fprintf(s.Out, "  closes:  %s\n", amount(p.Closes, " (their history stays)"))
	fmt.Fprintf(s.Out, "  leaves:  %s\n", amount(p.Stays, ", which other connections see too"))
	fmt.Fprintf(s.Out, "  keeps:   %s and the ledger, as evidence\n", many(p.Runs, "run"))
	deletes := many(p.Credentials, "credential")
	if p.Hooks > 0 {
		deletes += ", " + many(p.Hooks, "webhook") + " in Bitbucket"
	}
	fmt.Fprintf(s.Out, "  deletes: %s\n", deletes)
}

// confirm asks a question that only yes answers. Without a terminal it is a usage error.
func (s *session) confirm(question string) (bool, error) {
	if !s.Terminal {
		return false, fault.New(fault.Usage, "this needs a confirmation, and there is no terminal to ask on").With("add --yes")
	}
	fmt.Fprintf(s.Err, "%s [yes/no] ", question)
	answer := strings.ToLower(strings.TrimSpace(s.line()))
	return answer == "yes" || answer == "y", nil
}

// line reads one line and nothing behind it, since another question may follow.
func (s *session) line() string {
	var line []byte
	one := make([]byte, 1)
	for {
		n, err := s.In.Read(one)
		if n == 1 && one[0] != '\n' {
			line = append(line, one[0])
		}
		if err != nil || n == 1 && one[0] == '\n' {
			return string(line)
		}
	}
}

type credentialCmd struct {
	Add    credentialAddCmd    `cmd:"" help:"Add a credential."`
	List   credentialListCmd   `cmd:"" help:"List the credentials, without their secrets."`
	Remove credentialRemoveCmd `cmd:"" help:"Remove a credential."`
}

type credentialAddCmd struct {
	Name string `arg:"" help:"Name of the connection."`
	Role string `enum:",data,access,hooks,write" default:"" help:"What it is for: data, access, hooks or write; everything it can do where absent." placeholder:"ROLE"`
	consumerFlags
	tokenFlag
	passwordFlags
}

// Help implements kong.HelpProvider.
func (credentialAddCmd) Help() string {
	return `Which right each role needs with which kind of credential: docs/rights.md.

Examples:
  windlass connection credential add acme --role access --client-key KEY --client-secret @secret.txt
  windlass connection credential add corp --username windlass --password -`
}

// Run adds.
func (c credentialAddCmd) Run(s *session) error {
	return s.with(func(d door) error {
		to, err := d.Connection(s.ctx, c.Name)
		if err != nil {
			return err
		}
		creds, err := allFlags(c.consumerFlags, c.tokenFlag, c.passwordFlags).read(s, c.Role, to.Product)
		if err != nil {
			return err
		}
		for _, n := range creds {
			k, err := d.AddCredential(s.ctx, c.Name, n)
			if err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "Added credential %d: %s\n", k.ID, describe(k))
		}
		return nil
	})
}

type credentialListCmd struct {
	Name string `arg:"" help:"Name of the connection."`
	listing
}

// Help implements kong.HelpProvider.
func (credentialListCmd) Help() string {
	return "Example:\n  windlass connection credential list acme"
}

// Run lists.
func (c credentialListCmd) Run(s *session) error {
	return s.with(func(d door) error {
		list, err := d.Credentials(s.ctx, c.Name)
		if err != nil {
			return err
		}
		rows := make([][]string, len(list))
		for i, k := range list {
			rows[i] = []string{strconv.FormatInt(k.ID, 10), orElse(k.Role, "any"), k.Kind, k.Identity, moment(k.CreatedAt), momentOf(k.CheckedAt), describe(k)}
		}
		return c.print(s.Out, list, []string{"id", "role", "kind", "identity", "added", "checked", "verdict"}, rows)
	})
}

type credentialRemoveCmd struct {
	Name string `arg:"" help:"Name of the connection."`
	ID   int64  `arg:"" help:"Id of the credential, as the list shows it."`
}

// Help implements kong.HelpProvider.
func (credentialRemoveCmd) Help() string {
	return "Example:\n  windlass connection credential remove acme 3"
}

// Run removes.
func (c credentialRemoveCmd) Run(s *session) error {
	return s.with(func(d door) error {
		if err := d.RemoveCredential(s.ctx, c.Name, c.ID); err != nil {
			return err
		}
		fmt.Fprintf(s.Out, "Removed credential %d of %s.\n", c.ID, c.Name)
		return nil
	})
}
