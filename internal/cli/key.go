package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/client"
)

type keyCmd struct {
	Show   keyShowCmd   `cmd:"" help:"Show which keys there are and how much each seals, never the keys themselves."`
	Rotate keyRotateCmd `cmd:"" help:"Make a new key and seal everything anew with it."`
}

type keyShowCmd struct{ listing }

// Help implements kong.HelpProvider.
func (keyShowCmd) Help() string { return "Example:\n  windlass key show" }

// Run shows.
func (c keyShowCmd) Run(s *session) error {
	return s.with(func(d door) error {
		k, err := d.Keys(s.ctx)
		if err != nil {
			return err
		}
		meaning := map[string]string{
			"seals": "new texts are sealed with it", "opens": "opens older texts",
			"added": "made, but not in use before the next rotation", "lost": "the key file does not hold it",
		}
		rows := make([][]string, len(k.Keys))
		for i, one := range k.Keys {
			rows[i] = []string{one.ID, one.State, strconv.Itoa(one.Texts), meaning[one.State]}
		}
		if c.Output == "table" {
			fmt.Fprintf(s.Out, "Key file: %s\n", printable(k.File))
			if k.Retired != "" {
				fmt.Fprintf(s.Out, "Rotated out: %s\n", printable(k.Retired))
			}
			fmt.Fprintln(s.Out)
		}
		return c.print(s.Out, k, []string{"key", "state", "texts", "meaning"}, rows)
	})
}

type keyRotateCmd struct {
	Output string `short:"o" enum:"table,json" default:"table" help:"Form of the output: table or json." placeholder:"FORM"`
}

// Help implements kong.HelpProvider.
func (keyRotateCmd) Help() string {
	return `Works while a server runs, and may be interrupted: run it again and it goes on. Keys that nothing is sealed with any
more leave the key file and are kept beside it, since backups of their time need them.

Example:
  windlass key rotate`
}

// Run rotates.
func (c keyRotateCmd) Run(s *session) error {
	return s.with(func(d door) error {
		k, err := d.Keys(s.ctx)
		if err != nil {
			return err
		}
		texts := 0
		for _, one := range k.Keys {
			texts += one.Texts
		}
		s.note("sealing %s anew …", amount(texts, "text"))
		r, err := d.RotateKey(s.ctx)
		if err != nil {
			return err
		}
		if c.Output == "json" {
			return printJSON(s.Out, r)
		}
		printRotation(s, r)
		return nil
	})
}

func printRotation(s *session, r client.KeyRotation) {
	made := "The new key"
	if !r.Added {
		made = "The key of the interrupted rotation"
	}
	fmt.Fprintf(s.Out, "%s %s seals everything now; %s sealed anew.\n", made, r.Key, was(r.Resealed, "text"))
	fmt.Fprintf(s.Out, "It lies in %s. Back it up now, and not together with the data.\n", printable(r.File))
	if len(r.Retired) > 0 {
		fmt.Fprintf(s.Out, "Rotated out: %s, kept in %s. Backups made until now open only with that.\n", strings.Join(r.Retired, ", "), printable(r.Kept))
	}
}

func was(n int, what string) string {
	if n == 1 {
		return "1 " + what + " was"
	}
	return amount(n, what) + " were"
}
