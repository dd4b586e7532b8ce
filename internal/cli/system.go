package cli

import (
	"fmt"

	"github.com/windlass-hq/windlass/internal/api"
	"github.com/windlass-hq/windlass/internal/app"
	"github.com/windlass-hq/windlass/internal/fault"
)

type doctorCmd struct{ listing }

// Help implements kong.HelpProvider.
func (doctorCmd) Help() string {
	return "Ends with 1 when something is broken.\n\nExample:\n  windlass doctor"
}

// Run checks.
func (c doctorCmd) Run(s *session) error {
	return s.with(func(d door) error {
		doc, err := d.Doctor(s.ctx)
		if err != nil {
			return err
		}
		rows := make([][]string, len(doc.Findings))
		for i, f := range doc.Findings {
			detail := f.Detail
			if f.Remedy != "" {
				detail += " – " + f.Remedy
			}
			rows[i] = []string{f.Level, f.Check, detail}
		}
		if err := c.print(s.Out, doc, []string{"level", "check", "finding"}, rows); err != nil {
			return err
		}
		if !doc.OK {
			return silent{fault.New(fault.Unavailable, "something is broken")}
		}
		return nil
	})
}

type configCmd struct {
	Dump configDumpCmd `cmd:"" help:"Print every setting with its origin; secrets are hidden."`
}

type configDumpCmd struct {
	Output string `short:"o" enum:"yaml,json" default:"yaml" help:"Form of the output: yaml or json." placeholder:"FORM"`
}

// Help implements kong.HelpProvider.
func (configDumpCmd) Help() string { return "Example:\n  windlass config dump" }

// Run prints.
func (c configDumpCmd) Run(s *session) error {
	if c.Output == "json" {
		return printJSON(s.Out, s.config.Values())
	}
	return s.config.Dump(s.Out)
}

type openapiCmd struct{}

// Help implements kong.HelpProvider.
func (openapiCmd) Help() string { return "Example:\n  windlass openapi > openapi.json" }

// Run prints.
func (openapiCmd) Run(s *session) error {
	text, err := api.OpenAPI()
	if err != nil {
		return err
	}
	_, err = s.Out.Write(text)
	return err
}

type versionCmd struct {
	Output string `short:"o" enum:"table,json" default:"table" help:"Form of the output: table or json." placeholder:"FORM"`
}

// Help implements kong.HelpProvider.
func (versionCmd) Help() string {
	return "With --server it prints the version of the server.\n\nExample:\n  windlass version -o json"
}

// Run prints the version of this program, or of the server that was named.
func (c versionCmd) Run(s *session) error {
	v := app.Version()
	if s.config.Server != "" {
		err := s.with(func(d door) error {
			remote, err := d.Version(s.ctx)
			v.Version, v.Commit, v.Go, v.Platform, v.Database = remote.Version, remote.Commit, remote.Go, remote.Platform, remote.Database
			return err
		})
		if err != nil {
			return err
		}
	}
	if c.Output == "json" {
		return printJSON(s.Out, v)
	}
	commit := ""
	if v.Commit != "" {
		commit = ", commit " + v.Commit
	}
	_, err := fmt.Fprintf(s.Out, "windlass %s (%s, %s%s)\n", v.Version, v.Go, v.Platform, commit)
	return err
}
