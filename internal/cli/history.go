package cli

import (
	"fmt"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
)

type historyCmd struct {
	Show  historyShowCmd  `cmd:"" help:"Say how far back history goes, and what was purged last."`
	Purge historyPurgeCmd `cmd:"" help:"Remove history that is older than it is kept."`
}

type historyShowCmd struct{ listing }

// Help implements kong.HelpProvider.
func (historyShowCmd) Help() string { return "Example:\n  windlass history show" }

// Run shows.
func (c historyShowCmd) Run(s *session) error {
	return s.with(func(d door) error {
		r, err := d.Retention(s.ctx)
		if err != nil {
			return err
		}
		rows := [][]string{{"kept for", r.Kept}, {"complete since", orElse(momentOf(r.From), "the beginning")}}
		if r.Before != nil {
			rows = append(rows, []string{"a purge takes", "what ended before " + moment(*r.Before)})
		}
		last := "never"
		if p := r.LastPurge; p != nil {
			last = fmt.Sprintf("%s: %s", moment(p.At), removed(*p))
		}
		rows = append(rows, []string{"last purge", last})
		return c.print(s.Out, r, []string{"what", "value"}, rows)
	})
}

type historyPurgeCmd struct {
	Before string `help:"What ended before this moment goes; by history-retention where absent, and never anything newer." placeholder:"TIME"`
	DryRun bool   `help:"Say what would go and remove nothing."`
	Yes    bool   `help:"Do not ask."`
	Output string `short:"o" enum:"table,json" default:"table" help:"Form of the output: table or json." placeholder:"FORM"`
}

// Help implements kong.HelpProvider.
func (historyPurgeCmd) Help() string {
	return `Shows what goes, and asks. Only versions that have ended go: what is open, the runs and the ledger stay, and so does
what a hold keeps. The server does this daily by itself.

Examples:
  windlass history purge --dry-run
  windlass history purge --before 2024-01-01 --yes`
}

// Run purges.
func (c historyPurgeCmd) Run(s *session) error {
	return s.with(func(d door) error {
		p, err := d.Purge(s.ctx, client.PurgeRequest{Before: c.Before, DryRun: true})
		if err != nil {
			return err
		}
		if c.DryRun {
			return c.show(s, p)
		}
		if nothing(p) {
			return c.show(s, p)
		}
		if !c.Yes {
			if c.Output == "table" {
				if err := c.show(s, p); err != nil {
					return err
				}
			}
			ok, err := s.confirm("Remove it? It does not come back.")
			if err != nil {
				return err
			}
			if !ok {
				fmt.Fprintln(s.Err, "Nothing was removed.")
				return silent{fault.New(fault.Canceled, "not confirmed")}
			}
		}
		// The moment is that which was shown.
		r := client.PurgeRequest{Before: p.Before.Format("2006-01-02T15:04:05.999999Z07:00")}
		var total client.Purged
		for {
			part, err := d.Purge(s.ctx, r)
			if err != nil {
				return err
			}
			add(&total, part)
			if !part.Unfinished {
				return c.show(s, total)
			}
			s.note("%s so far …", removed(total))
		}
	})
}

func add(total *client.Purged, p client.Purged) {
	total.At, total.Before, total.Held, total.HeldAll = p.At, p.Before, p.Held, p.HeldAll
	total.Versions += p.Versions
	total.Relationships += p.Relationships
	total.Changes += p.Changes
	total.Objects += p.Objects
}

func nothing(p client.Purged) bool { return p.Versions+p.Relationships+p.Changes+p.Objects == 0 }

func (c historyPurgeCmd) show(s *session, p client.Purged) error {
	if c.Output == "json" {
		return printJSON(s.Out, p)
	}
	what := "Removed"
	if p.DryRun {
		what = "To go"
	}
	fmt.Fprintf(s.Out, "%s of what ended before %s: %s.\n", what, moment(p.Before), removed(p))
	if len(p.Types) > 0 {
		fmt.Fprintf(s.Out, "  versions: %s\n", counts(p.Types))
	}
	switch {
	case p.HeldAll:
		fmt.Fprintln(s.Out, "  a hold keeps everything; see windlass hold list")
	case p.AtMost:
		fmt.Fprintln(s.Out, "  holds in force keep some or all of it; see windlass hold list")
	case p.Held > 0:
		fmt.Fprintf(s.Out, "  holds keep %s as old as that; see windlass hold list\n", amount(p.Held, "row"))
	}
	return nil
}

// removed words what goes in a purge.
func removed(p client.Purged) string {
	if nothing(p) {
		return "nothing"
	}
	objects := ""
	if p.Objects > 0 {
		objects = ", " + amount(p.Objects, "provider object")
	}
	return fmt.Sprintf("%s of entities and %s of relationships, %s%s", amount(p.Versions, "version"), thousands(int64(p.Relationships)), amount(p.Changes, "change"), objects)
}

type holdCmd struct {
	Add     holdAddCmd     `cmd:"" help:"Keep history from being purged."`
	List    holdListCmd    `cmd:"" help:"List the holds, released ones included."`
	Release holdReleaseCmd `cmd:"" help:"End a hold."`
}

type holdAddCmd struct {
	Name   string `arg:"" help:"Name, such as that of the case it is for."`
	Reason string `required:"" help:"Why, for whoever wonders later." placeholder:"TEXT"`
	For    string `help:"Key of an entity: its history and that of everything in it is kept. Everything where absent." placeholder:"KEY"`
}

// Help implements kong.HelpProvider.
func (holdAddCmd) Help() string {
	return `A name is used once: a released hold stays listed.

Examples:
  windlass hold add audit-2026 --reason 'SOX audit, asked for by finance'
  windlass hold add case-17 --reason 'incident of 3 November' --for cloud:1f0c2d3e-0000-4000-8000-000000000000`
}

// Run adds.
func (c holdAddCmd) Run(s *session) error {
	return s.with(func(d door) error {
		h, err := d.AddHold(s.ctx, client.NewHold{Name: c.Name, Reason: c.Reason, For: c.For})
		if err != nil {
			return err
		}
		fmt.Fprintf(s.Out, "Nothing is purged of %s until windlass hold release %s.\n", orElse(h.For, "any history"), h.Name)
		return nil
	})
}

type holdListCmd struct{ listing }

// Help implements kong.HelpProvider.
func (holdListCmd) Help() string { return "Example:\n  windlass hold list" }

// Run lists.
func (c holdListCmd) Run(s *session) error {
	return s.with(func(d door) error {
		list, err := d.Holds(s.ctx)
		if err != nil {
			return err
		}
		rows := make([][]string, len(list))
		for i, h := range list {
			rows[i] = []string{h.Name, orElse(h.For, "everything"), moment(h.CreatedAt), orElse(momentOf(h.ReleasedAt), "in force"), h.Reason}
		}
		return c.print(s.Out, list, []string{"name", "for", "since", "released", "reason"}, rows)
	})
}

type holdReleaseCmd struct {
	Name string `arg:"" help:"Name of the hold."`
}

// Help implements kong.HelpProvider.
func (holdReleaseCmd) Help() string { return "Example:\n  windlass hold release audit-2026" }

// Run releases.
func (c holdReleaseCmd) Run(s *session) error {
	return s.with(func(d door) error {
		h, err := d.ReleaseHold(s.ctx, c.Name)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.Out, "Released %s: what is older than it is kept goes with the next purge.\n", h.Name)
		return nil
	})
}
