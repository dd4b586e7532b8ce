package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
)

type hookCmd struct {
	List   hookListCmd   `cmd:"" help:"List webhooks: whether they deliver, and how fast."`
	Ensure hookEnsureCmd `cmd:"" help:"Make the webhooks of a connection, or put them right."`
	Remove hookRemoveCmd `cmd:"" help:"Delete the webhooks of a connection in Bitbucket."`
}

type hookListCmd struct {
	Name       string `arg:"" optional:"" help:"Name of a connection; all where absent."`
	Statistics bool   `help:"Ask a Data Center what it knows of each, at one call each."`
	listing
}

// Help implements kong.HelpProvider.
func (hookListCmd) Help() string {
	return "Examples:\n  windlass hook list\n  windlass hook list corp --statistics"
}

// Run lists.
func (c hookListCmd) Run(s *session) error {
	return s.with(func(d door) error {
		list, err := d.Hooks(s.ctx, client.HookFilter{Connection: c.Name, Statistics: c.Statistics})
		if err != nil {
			return err
		}
		header := []string{"connection", "place", "made by", "mode", "health", "last delivery", "delay", "events", "id in bitbucket", "id"}
		if c.Statistics {
			header = append(header, "delivered", "failed", "circuit", "last fault")
		}
		header = append(header, "trouble")
		rows := make([][]string, len(list.Items))
		for i, h := range list.Items {
			rows[i] = []string{
				h.Connection, h.Place, h.MadeBy, h.Mode, health(h, s.Now()), momentOf(h.VerifiedAt), delay(h.Delay), fmt.Sprint(len(h.Events)), h.RemoteID, h.ID,
			}
			if c.Statistics {
				rows[i] = append(rows[i], statistics(h.Statistics)...)
			}
			rows[i] = append(rows[i], h.Trouble)
		}
		if c.Output == "table" {
			header, rows = withoutBlank(header, rows)
		}
		if err := c.print(s.Out, list, header, rows); err != nil || c.Output != "table" {
			return err
		}
		s.advise(list.Advice)
		return nil
	})
}

// health words how a webhook is.
func health(h client.Hook, now time.Time) string {
	switch h.Health {
	case "waiting":
		return "waits for its first delivery"
	case "silent":
		if h.VerifiedAt != nil {
			return "silent for " + duration(int64(now.Sub(*h.VerifiedAt)/time.Second))
		}
	}
	return h.Health
}

func delay(seconds *float64) string {
	if seconds == nil {
		return ""
	}
	return fmt.Sprintf("%.1f s", *seconds)
}

func statistics(h *client.HookStatistics) []string {
	if h == nil {
		return []string{"", "", "", ""}
	}
	return []string{thousands(int64(h.Successes)), thousands(int64(h.Failures + h.Errors)), h.Circuit, h.LastFault}
}

func (s *session) advise(advice []string) {
	for _, a := range advice {
		fmt.Fprintf(s.Out, "  ! %s\n", printable(a))
	}
}

type hookEnsureCmd struct {
	Name   string `arg:"" help:"Name of the connection."`
	ByHand bool   `help:"Change nothing in Bitbucket: print what an administrator enters there."`
	Rotate bool   `help:"Give each another secret; the old one is accepted for a while."`
	listing
}

// Help implements kong.HelpProvider.
func (hookEnsureCmd) Help() string {
	return `Makes one webhook for each workspace of Bitbucket Cloud, for each project of a Data Center, or for each repository of a
Data Center before 8.8. What is there is found again by its address and put right; what others made is left alone.
A server looks after them from then on, once a day. Secrets of webhooks made by hand are printed this once.

Examples:
  windlass hook ensure acme
  windlass hook ensure corp --by-hand
  windlass hook ensure acme --rotate`
}

// Run makes.
func (c hookEnsureCmd) Run(s *session) error {
	return s.with(func(d door) error {
		p := s.hookProgress(c.Name)
		out, err := d.EnsureHooks(s.ctx, c.Name, client.HookWish{ByHand: c.ByHand, Rotate: c.Rotate}, p.show)
		p.progress.end()
		if err != nil && len(out.Items) == 0 {
			return err
		}
		if printing := c.outcomes(s, d, out); printing != nil {
			return printing
		}
		if err != nil {
			return err
		}
		for _, o := range out.Items {
			if o.Did == "failed" {
				return silent{fault.New(fault.Unavailable, "a webhook could not be made")}
			}
		}
		return nil
	})
}

// foundShown is how many webhooks are shown one by one although nothing had to be done.
const foundShown = 10

func (c hookEnsureCmd) outcomes(s *session, d door, out client.HookOutcomes) error {
	var rows [][]string
	var manual []client.HookOutcome
	did := map[string]int{}
	for _, o := range out.Items {
		did[o.Did]++
		if o.Did == "found" && o.Reason == "" && c.Output == "table" && len(out.Items) > foundShown {
			continue // what is as it should be is only counted
		}
		if o.Did == "by hand" && c.Output == "table" {
			manual = append(manual, o)
			continue
		}
		rows = append(rows, []string{o.Place, o.Did, o.RemoteID, o.Hook, o.URL, o.Secret, o.Reason})
	}
	header := []string{"place", "did", "id in bitbucket", "id", "url", "secret", "reason"}
	if c.Output != "table" {
		return c.print(s.Out, out, header, rows)
	}
	if len(rows) > 0 {
		header, rows = withoutBlank(header, rows)
		if err := c.print(s.Out, out, header, rows); err != nil {
			return err
		}
	}
	if len(out.Items) > foundShown {
		fmt.Fprintf(s.Out, "%s: %s\n", many(len(out.Items), "webhook"), counts(did))
	}
	if len(manual) > 0 {
		n, err := d.Connection(s.ctx, c.Name)
		if err != nil {
			return err
		}
		printByHand(s, n.Product, manual)
	}
	s.advise(out.Advice)
	return nil
}

// printByHand says what an administrator enters.
func printByHand(s *session, product string, list []client.HookOutcome) {
	fmt.Fprintln(s.Out, "An administrator makes these in Bitbucket. Title: Windlass.")
	if product == "datacenter" {
		fmt.Fprintln(s.Out, "Where: the project's (or repository's) settings, Webhooks, Create webhook. Leave the verification of certificates on.")
	} else {
		fmt.Fprintln(s.Out, "Where: the workspace's settings, Webhooks, Add webhook. Leave \"Skip certificate verification\" off; Triggers: choose from a full list.")
	}
	var events string
	for _, o := range list {
		fmt.Fprintf(s.Out, "\n%s\n  url:     %s\n", printable(o.Place), o.URL)
		if o.Secret != "" {
			fmt.Fprintf(s.Out, "  secret:  %s\n", o.Secret)
		} else {
			fmt.Fprintln(s.Out, "  secret:  was shown when it was made; --rotate makes another")
		}
		if text := strings.Join(o.Events, ", "); text != events { // those of many places are the same
			events = text
			fmt.Fprintf(s.Out, "  events:  %s\n", text)
		} else {
			fmt.Fprintln(s.Out, "  events:  the same")
		}
		if o.Reason != "" {
			fmt.Fprintf(s.Out, "  note:    %s\n", printable(o.Reason))
		}
	}
	fmt.Fprintln(s.Out, "\nThe secrets are not shown again. windlass hook list tells when the first signed delivery has come.")
}

type hookRemoveCmd struct {
	Name string `arg:"" help:"Name of the connection."`
	Yes  bool   `help:"Do not ask."`
	listing
}

// Help implements kong.HelpProvider.
func (hookRemoveCmd) Help() string {
	return `Only those of this installation are deleted. What cannot be deleted, such as with a credential that has expired, is
printed with its place and its id there.

Example:
  windlass hook remove acme`
}

// Run removes.
func (c hookRemoveCmd) Run(s *session) error {
	return s.with(func(d door) error {
		list, err := d.Hooks(s.ctx, client.HookFilter{Connection: c.Name})
		if err != nil {
			return err
		}
		if len(list.Items) == 0 && c.Output == "table" {
			fmt.Fprintf(s.Out, "%s has no webhooks.\n", c.Name)
			return nil
		}
		if !c.Yes && len(list.Items) > 0 {
			ok, err := s.confirm("Delete " + many(len(list.Items), "webhook") + " of " + c.Name + " in Bitbucket?")
			if err != nil {
				return err
			}
			if !ok {
				fmt.Fprintln(s.Out, "Nothing was removed.")
				return silent{fault.New(fault.Canceled, "not confirmed")}
			}
		}
		if c.Output == "table" {
			return s.removeHooks(d, c.Name)
		}
		out, err := d.RemoveHooks(s.ctx, c.Name, func(client.HookProgress) {})
		if err != nil {
			return err
		}
		rows := make([][]string, len(out.Items))
		for i, o := range out.Items {
			rows[i] = []string{o.Place, o.Did, o.RemoteID, o.Hook, o.Reason}
		}
		return c.print(s.Out, out, []string{"place", "did", "id in bitbucket", "id", "reason"}, rows)
	})
}

// hooksAtOnce is how many webhooks are deleted without showing how far that is.
const hooksAtOnce = 25

// removeHooks deletes the webhooks of a connection, shows how far that is, and tells what was left behind.
func (s *session) removeHooks(d door, name string) error {
	p := s.hookProgress(name)
	out, err := d.RemoveHooks(s.ctx, name, p.show)
	p.progress.end()
	removed := 0
	var left []client.HookOutcome
	for _, o := range out.Items {
		if o.Did == "removed" {
			removed++
		} else {
			left = append(left, o)
		}
	}
	if removed > 0 || err == nil {
		fmt.Fprintf(s.Out, "Deleted %s of %s.\n", many(removed, "webhook"), name)
	}
	s.leftBehind(left)
	return err
}

// leftBehind tells which webhooks a person has to delete.
func (s *session) leftBehind(list []client.HookOutcome) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(s.Out, "Left behind in Bitbucket; they deliver to nobody any more, delete them there:")
	for _, o := range list {
		id := "the one whose address ends with /hooks/" + o.Hook
		if o.RemoteID != "" {
			id = "webhook " + o.RemoteID
		}
		fmt.Fprintf(s.Out, "  %s: %s%s\n", printable(o.Place), id, colon(o.Reason))
	}
}

// webhooks is the phase of whoever makes or removes them.
const webhooks = "webhooks"

// hookProgress shows how far making or removing webhooks is, as runs do.
type hookProgress struct{ *progress }

func (s *session) hookProgress(label string) hookProgress { return hookProgress{s.progress(label)} }

func (p hookProgress) show(h client.HookProgress) {
	e := client.Progress{Phase: webhooks, Done: h.Done, Total: h.Total, Scope: h.Place, Waiting: h.Waiting, Message: h.Message}
	p.progress.show(e)
}
