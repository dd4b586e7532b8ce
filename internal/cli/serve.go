package cli

import (
	"fmt"

	"github.com/windlass-hq/windlass/internal/app"
)

type serveCmd struct {
	Listen      string `help:"${doc_listen}" placeholder:"HOST:PORT"`
	PublicURL   string `name:"public-url" help:"${doc_public_url}" placeholder:"URL"`
	HooksListen string `name:"hooks-listen" help:"${doc_hooks_listen}" placeholder:"HOST:PORT"`

	HistoryRetention string `help:"${doc_history_retention}" placeholder:"TIME"`
}

// Help implements kong.HelpProvider.
func (serveCmd) Help() string {
	return `Runs until Ctrl-C. A second Ctrl-C stops at once.

Example:
  windlass serve --data-dir /var/lib/windlass`
}

// Run serves until the context ends.
func (serveCmd) Run(s *session) error {
	a, err := app.New(app.Options{Config: s.config, Log: s.logger(true), Now: s.Now, Tell: s.tell, Schedules: true})
	if err != nil {
		return err
	}
	if err := a.Start(s.ctx); err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "Windlass %s is ready at %s and %s\n", app.Version().Version, a.URL(), a.Socket())
	select {
	case <-s.ctx.Done():
		s.note("stopping …")
	case err = <-a.Failed():
	}
	if closing := a.Stop(); err == nil {
		err = closing
	}
	return err
}
