package cli

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/client"
)

// printCheck says what each credential can do, what it lacks, which workspaces or projects were found, and what a first
// read takes.
func printCheck(s *session, c client.Check) {
	if i := c.Instance; i != nil {
		fmt.Fprintf(s.Out, "✓ Bitbucket Data Center%s at %s%s\n", leading(" ", i.Version), printable(i.URL), parensOf("instance ", i.ID))
	}
	for _, k := range c.Credentials {
		printCredential(s, k)
	}
	what := "workspace"
	if c.Instance != nil {
		what = "project"
	}
	for _, w := range c.Workspaces {
		if w.Found {
			fmt.Fprintf(s.Out, "✓ %s %s%s\n", what, w.Slug, parens(w.Name))
			continue
		}
		fmt.Fprintf(s.Out, "✗ %s %s: %s\n", what, w.Slug, orElse(w.Problem, "not found"))
		if len(w.Near) > 0 && !strings.Contains(w.Problem, "id you mean") {
			fmt.Fprintf(s.Out, "    did you mean %s?\n", strings.Join(w.Near, " or "))
		}
	}
	printRights(s, c.Rights)
	printPreflight(s, c.Preflight)
	for _, w := range c.Warnings {
		fmt.Fprintf(s.Out, "! %s\n", printable(w))
	}
	for _, a := range c.Advice {
		fmt.Fprintf(s.Out, "  %s\n", printable(a))
	}
}

func printCredential(s *session, k client.CredentialCheck) {
	switch {
	case !k.Valid:
		fmt.Fprintf(s.Out, "✗ %s: %s\n", k.Name, orElse(k.Problem, "refused"))
	case len(k.Missing) > 0:
		fmt.Fprintf(s.Out, "! %s works%s, but lacks %s\n", k.Name, as(k.Principal), strings.Join(k.Missing, ", "))
	default:
		fmt.Fprintf(s.Out, "✓ %s works%s\n", k.Name, as(k.Principal))
	}
	if len(k.Scopes) > 0 {
		fmt.Fprintf(s.Out, "    granted: %s\n", strings.Join(slices.Sorted(slices.Values(k.Scopes)), ", "))
	}
	if k.Problem != "" && k.Valid && len(k.Missing) == 0 {
		fmt.Fprintf(s.Out, "    %s\n", k.Problem)
	}
	if k.Remedy != "" {
		fmt.Fprintf(s.Out, "    %s\n", sentence(k.Remedy))
	}
}

// printRights says of what is read now which right it needs and whether it is there, a line each; of what later
// versions will need, in two lines.
func printRights(s *session, rights []client.RightCheck) {
	if len(rights) == 0 {
		return
	}
	fmt.Fprintln(s.Out, "Rights for what is read:")
	marks := map[string]string{"yes": "✓", "no": "✗", "never": "✗", "unknown": "?"}
	var rows [][]string
	for _, r := range rights {
		if r.Used {
			row := []string{"  " + marks[r.Have], r.What, "needs " + strings.Join(r.Needs, " or ")}
			if text := said(r); text != "" {
				row = append(row, text)
			}
			rows = append(rows, row)
		}
	}
	_ = printTable(s.Out, nil, rows)
	var off, ready, texts []string
	lacking := map[string][]string{} // by what it would take
	for _, r := range rights {
		switch {
		case r.Used:
		case r.Off:
			off = append(off, r.What)
		case r.Have == "yes":
			ready = append(ready, r.What)
		case r.Have != "unknown":
			text := strings.Join(r.Needs, " or ")
			if lacking[text] == nil {
				texts = append(texts, text)
			}
			lacking[text] = append(lacking[text], r.What)
		}
	}
	if len(off) > 0 {
		fmt.Fprintf(s.Out, "Switched off by an option: %s.\n", strings.Join(off, "; "))
	}
	if len(ready) > 0 {
		fmt.Fprintf(s.Out, "There for later versions: %s.\n", strings.Join(ready, "; "))
	}
	for i, text := range texts {
		texts[i] = strings.Join(lacking[text], "; ") + " (" + text + ")"
	}
	if len(texts) > 0 {
		fmt.Fprintf(s.Out, "Not there for later versions: %s.\n", strings.Join(texts, "; "))
	}
}

// said explains a right that is not simply there.
func said(r client.RightCheck) string {
	switch {
	case len(r.Missing) > 0:
		return "missing: " + strings.Join(r.Missing, ", ")
	case r.Note != "":
		return r.Note
	case r.Have == "unknown":
		return "seen only when it is read"
	}
	return ""
}

// printPreflight says what a first read takes, beside what the usual client takes.
func printPreflight(s *session, p *client.Preflight) {
	if p == nil {
		return
	}
	atLeast := ""
	if p.AtLeast {
		atLeast = "at least "
	}
	pulls := amount(p.PullRequests, "pull request")
	switch {
	case p.PullRequestsUnknown:
		pulls = "pull requests that could not be counted"
	case p.PullRequestsEstimated:
		pulls = "about " + rounded(p.PullRequests) + " pull requests"
	}
	parts := []string{atLeast + amount(p.Repositories, "repository"), pulls}
	if p.Projects > 0 { // none may mean that they could not be counted
		parts = append(parts, amount(p.Projects, "project"))
	}
	if p.Users > 0 {
		parts = append(parts, amount(p.Users, "user"))
	}
	fmt.Fprintf(s.Out, "A first read takes %s.\n", strings.Join(parts, ", "))
	fmt.Fprintf(s.Out, "  %s%s calls%s\n", atLeast, thousands(int64(p.Calls)), during(*p, p.Hours))
	fmt.Fprintf(s.Out, "  the usual client, with %s: %s calls%s\n", p.PeerFormula, thousands(int64(p.PeerCalls)), during(*p, p.PeerHours))
	if p.SettingsCalls > 0 {
		fmt.Fprintf(s.Out, "  what administrators set takes %s calls a week beside it, in rotation (all at once: sync --full)\n", thousands(int64(p.SettingsCalls)))
	}
	if p.GitBytes > 0 {
		fmt.Fprintf(s.Out, "  git repositories of about %s stay where they are: nothing is cloned\n", bytesOf(p.GitBytes))
	}
}

// amount counts things, such as 1,234 repositories.
func amount(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		return thousands(int64(n)) + " " + stem + "ies"
	}
	return thousands(int64(n)) + " " + what + "s"
}

// during words how long so many calls take: on Cloud what fits into an hour's allowance is not waited for.
func during(p client.Preflight, hours float64) string {
	switch {
	case p.CallsPerSecond > 0:
		return fmt.Sprintf(", %s at %g calls a second", lasting(hours), p.CallsPerSecond)
	case hours <= 1:
		return fmt.Sprintf(", %.0f %% of the %s an hour that Windlass takes here: no waiting", math.Ceil(100*hours), thousands(int64(p.CallsPerHour)))
	}
	return fmt.Sprintf(", %s at the %s an hour that Windlass takes here", lasting(hours), thousands(int64(p.CallsPerHour)))
}

// rounded shows an estimate with two digits that mean something.
func rounded(n int) string {
	unit := 1
	for n/unit >= 100 {
		unit *= 10
	}
	return thousands(int64((n + unit/2) / unit * unit))
}

// lasting words a duration in hours.
func lasting(hours float64) string {
	minutes := hours * 60
	switch {
	case minutes < 1:
		return "under a minute"
	case minutes < 90:
		return many(int(math.Ceil(minutes)), "minute")
	case hours < 48:
		return fmt.Sprintf("%.1f hours", hours)
	}
	return fmt.Sprintf("%.1f days", hours/24)
}

func bytesOf(n int64) string {
	v, unit := float64(n), "bytes"
	for _, next := range []string{"KB", "MB", "GB", "TB"} {
		if v < 1000 {
			break
		}
		v, unit = v/1000, next
	}
	return fmt.Sprintf("%.3g %s", v, unit)
}

func leading(before, text string) string {
	if text == "" {
		return ""
	}
	return before + printable(text)
}

func parensOf(what, text string) string {
	if text == "" {
		return ""
	}
	return " (" + what + printable(text) + ")"
}
