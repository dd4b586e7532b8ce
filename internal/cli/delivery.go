package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/fault"
)

type deliveryCmd struct {
	List   deliveryListCmd   `cmd:"" help:"List what webhooks brought, the newest first."`
	Show   deliveryShowCmd   `cmd:"" help:"Show one delivery."`
	Replay deliveryReplayCmd `cmd:"" help:"Apply a delivery once more."`
}

type deliveryListCmd struct {
	Name  string `arg:"" optional:"" help:"Name of a connection; all where absent."`
	State string `enum:",new,done,duplicate,out_of_scope,failed" default:"" help:"Only those in this state: new, done, duplicate, out_of_scope or failed." placeholder:"STATE"`
	Hook  string `help:"Only those that this webhook brought." placeholder:"ID"`
	Limit int    `default:"50" help:"How many." placeholder:"N"`
	listing
}

// Help implements kong.HelpProvider.
func (deliveryListCmd) Help() string {
	return "Deliveries are kept for 30 days.\n\nExamples:\n  windlass delivery list\n  windlass delivery list acme --state failed"
}

// Run lists.
func (c deliveryListCmd) Run(s *session) error {
	if c.Limit < 1 {
		return fault.New(fault.Usage, "--limit is %d", c.Limit).With("give a number above zero")
	}
	return s.with(func(d door) error {
		list := []client.Delivery{}
		for cursor := ""; len(list) < c.Limit; {
			page, err := d.Deliveries(s.ctx, client.DeliveryFilter{
				Connection: c.Name, State: c.State, Hook: c.Hook, Limit: min(c.Limit-len(list), 1000), Cursor: cursor,
			})
			if err != nil {
				return err
			}
			list = append(list, page.Items...)
			if cursor = page.Cursor; cursor == "" {
				break
			}
		}
		rows := make([][]string, len(list))
		for i, n := range list {
			rows[i] = []string{
				strconv.FormatInt(n.ID, 10), orElse(n.Connection, "(removed)"), moment(n.ReceivedAt), n.Event, n.State, n.Verdict, firstLineOf(n.Effect),
			}
		}
		return c.print(s.Out, list, []string{"delivery", "connection", "received", "event", "state", "verdict", "effect"}, rows)
	})
}

type deliveryShowCmd struct {
	ID     int64  `arg:"" help:"Number of the delivery."`
	Body   bool   `help:"What it says too, with secrets masked."`
	Output string `short:"o" enum:"table,json" default:"table" help:"Form of the output: table or json." placeholder:"FORM"`
}

// Help implements kong.HelpProvider.
func (deliveryShowCmd) Help() string {
	return "Examples:\n  windlass delivery show 42\n  windlass delivery show 42 --body -o json"
}

// Run shows.
func (c deliveryShowCmd) Run(s *session) error {
	return s.with(func(d door) error {
		n, err := d.Delivery(s.ctx, c.ID, c.Body)
		if err != nil {
			return err
		}
		if c.Output == "json" {
			return printJSON(s.Out, n)
		}
		return printDelivery(s, n)
	})
}

func printDelivery(s *session, n client.Delivery) error {
	rows := [][]string{
		{"delivery", strconv.FormatInt(n.ID, 10)},
		{"connection", orElse(n.Connection, "(removed)")},
		{"webhook", n.Hook},
		{"event", n.Event},
		{"received", moment(n.ReceivedAt)},
		{"verdict", n.Verdict},
		{"state", n.State},
		{"effect", n.Effect},
		{"applied", momentOf(n.AppliedAt)},
		{"request", strings.TrimSpace(n.Method + " " + n.Path)},
		{"request id", n.RequestID},
		{"size", amount(n.Size, "byte")},
	}
	for _, name := range slices.Sorted(maps.Keys(n.Headers)) {
		rows = append(rows, []string{name, strings.Join(n.Headers[name], ", ")})
	}
	if err := printTable(s.Out, nil, rows); err != nil || n.Body == nil {
		return err
	}
	if text, ok := n.Body.(string); ok {
		_, err := fmt.Fprintln(s.Out, printable(text))
		return err
	}
	b, err := json.MarshalIndent(n.Body, "", "  ")
	if err != nil {
		return fmt.Errorf("write the body: %w", err)
	}
	fmt.Fprintln(s.Out)
	for line := range strings.Lines(string(b)) {
		if _, err := fmt.Fprintln(s.Out, printable(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	return nil
}

type deliveryReplayCmd struct {
	ID int64 `arg:"" help:"Number of the delivery."`
}

// Help implements kong.HelpProvider.
func (deliveryReplayCmd) Help() string {
	return "Applying twice changes nothing twice, and what is newer stays.\n\nExample:\n  windlass delivery replay 42"
}

const (
	replayWithin = 10 * time.Second // that a server is waited for
	replayLook   = 100 * time.Millisecond
)

// Run replays, and waits a moment for what comes of it.
func (c deliveryReplayCmd) Run(s *session) error {
	return s.with(func(d door) error {
		n, err := d.ReplayDelivery(s.ctx, c.ID)
		if err != nil {
			return err
		}
		for until := time.Now().Add(replayWithin); n.State == "new" && time.Now().Before(until); {
			select {
			case <-s.ctx.Done():
				return s.ctx.Err()
			case <-time.After(replayLook):
			}
			if n, err = d.Delivery(s.ctx, c.ID, false); err != nil {
				return err
			}
		}
		if n.State == "new" {
			fmt.Fprintf(s.Out, "Delivery %d waits to be applied.\n", n.ID)
			return nil
		}
		fmt.Fprintf(s.Out, "Delivery %d is %s%s\n", n.ID, n.State, colon(n.Effect))
		return nil
	})
}
