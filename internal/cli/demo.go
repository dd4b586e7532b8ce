package cli

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/app"
	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/fault"
)

type demoCmd struct {
	Exit   bool   `help:"Stop after the summary."`
	Listen string `default:"127.0.0.1:8484" help:"Address of the server; any free port where that one is taken." placeholder:"HOST:PORT"`
	worldFlags
}

// Help implements kong.HelpProvider.
func (demoCmd) Help() string {
	return `Everything it makes lies in a temporary directory that goes when it ends, unless --data-dir is given. Your own
configuration and key are not touched.

Examples:
  windlass demo
  windlass demo --import-git ~/src/project --exit`
}

// demoConnections are what a demo connects: both sides of its sandbox.
func demoConnections(box string) []client.NewConnection {
	return []client.NewConnection{
		{
			Name: "demo", Product: "cloud", AccountName: "Acme (demo)", TagAccountName: true, Interval: "1h",
			Description: "Bitbucket Cloud as the sandbox of windlass demo plays it",
			Settings:    map[string]string{"workspaces": "acme", "api-url": box + "/cloud/2.0"},
			Credentials: []client.NewCredential{{Kind: "oauth", Identity: "sandbox-key", Secret: "sandbox-secret"}},
		},
		{
			Name: "demo-datacenter", Product: "datacenter", AccountName: "Acme on its own machines (demo)", TagAccountName: true, Interval: "1h",
			Description: "Bitbucket Data Center as the sandbox of windlass demo plays it",
			// A real instance is asked five times a second at most; this one is ours.
			Settings: map[string]string{"url": box + "/dc", "rate": "200", "in-flight": "16"},
			Credentials: []client.NewCredential{
				{Kind: "token", Secret: "sandbox-token"},
				{Kind: "basic", Role: "access", Identity: "admin", Secret: "sandbox-password"}, // groups and the instance are closed to tokens
			},
		},
	}
}

// Run shows everything at work.
func (c demoCmd) Run(s *session) (err error) {
	place, err := c.place(s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, place.remove()) }()

	fmt.Fprintln(s.Out, "1. A sandbox that looks like Bitbucket Cloud and Bitbucket Data Center")
	o := c.options()
	o.Clock, o.Epoch = s.Now, s.Now()
	box, err := startSandbox(s.ctx, o, "127.0.0.1:0", entranceFlags{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.stop()) }()
	n := box.Stats().Objects
	fmt.Fprintf(s.Out, "   %s with %s repositories, %s pull requests, %s users, on both sides together\n\n", box.url,
		thousands(int64(n.Repositories)), thousands(int64(n.PullRequests)), thousands(int64(n.Users)))

	fmt.Fprintln(s.Out, "2. A server with its graph in SQLite")
	a, err := app.New(app.Options{Config: place.config, Log: s.logger(false), Now: s.Now, Tell: func(string, ...any) {}, Schedules: true})
	if err != nil {
		return err
	}
	if err := a.Start(s.ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Stop()) }()
	fmt.Fprintf(s.Out, "   %s, data in %s\n\n", a.URL(), place.config.DataDir)

	d := door{Client: client.InProcess(a.Handler()), close: func() error { return nil }}
	if err := c.firstLight(s, d, box); err != nil {
		return err
	}
	if c.Exit {
		return nil
	}
	c.farewell(s, a.URL(), place.config.DataDir)
	select {
	case <-s.ctx.Done():
		return nil
	case err := <-a.Failed():
		return err
	case err := <-box.failed:
		return err
	}
}

// firstLight connects both sides of the sandbox, reads them, and asks three questions.
func (c demoCmd) firstLight(s *session, d door, box *bench) error {
	fmt.Fprintln(s.Out, "3. Two connections, and everything read")
	for _, n := range demoConnections(box.url) {
		fmt.Fprintf(s.Out, "\n   %s: %s\n", n.Name, n.Description)
		if err := c.connect(s, d, n); err != nil {
			return err
		}
		run, err := s.read(d, n.Name, client.RunRequest{Full: true, Drain: true})
		if err != nil {
			return err
		}
		if run.Summary != nil {
			printSummary(s, *run.Summary)
		}
		if err := outcome(s, run); err != nil {
			return err
		}
	}
	fmt.Fprintln(s.Out, "\n4. Three questions")
	for _, q := range demoQuestions() {
		fmt.Fprintf(s.Out, "\n   %s\n   windlass query '%s'\n\n", q.title, q.query)
		out := rowWriter(s.Out, "table")
		_, err := d.Stream(s.ctx, client.Query{Query: q.query}, out.begin, out.row)
		if err != nil {
			return err
		}
		if err := out.end(); err != nil {
			return err
		}
	}
	return nil
}

// connect makes a connection, or leads one of an earlier demo to this sandbox.
func (demoCmd) connect(s *session, d door, n client.NewConnection) error {
	_, err := d.Connection(s.ctx, n.Name)
	switch {
	case client.CodeOf(err) == string(fault.NotFound):
		_, err = d.Connect(s.ctx, n)
	case err == nil:
		_, err = d.UpdateConnection(s.ctx, n.Name, client.ConnectionUpdate{Settings: n.Settings})
	}
	return err
}

type question struct{ title, query string }

func demoQuestions() []question {
	return []question{
		{
			"Which repositories have the most open pull requests?",
			"FIND bitbucket_repo AS r THAT HAS bitbucket_pull_request WITH state = \"OPEN\" AS p " +
				"RETURN r.displayName AS repository, COUNT(p) AS open ORDER BY open DESC LIMIT 5",
		},
		{
			"Which open pull requests has nobody approved yet?",
			"FIND bitbucket_pull_request WITH state = \"OPEN\" AS p THAT !APPROVED bitbucket_user " +
				"RETURN p.repository AS repository, p.id AS number, p.title AS title LIMIT 5",
		},
		{
			"Who approved most of what was merged?",
			"FIND bitbucket_user AS u THAT APPROVED bitbucket_pull_request WITH state = \"MERGED\" AS p " +
				"RETURN u.displayName AS person, COUNT(p) AS approvals ORDER BY approvals DESC LIMIT 5",
		},
	}
}

func (demoCmd) farewell(s *session, url, dir string) {
	fmt.Fprintf(s.Out, `
Windlass is running at %[1]s until Ctrl-C. In another terminal:

  %[2]s --data-dir %[3]s query 'FIND bitbucket_repo'
  %[2]s --data-dir %[3]s runs

For your own Bitbucket (an OAuth consumer with the permissions to read account, projects, repositories and pull requests,
or an HTTP access token with the permission to read projects and repositories):

  %[2]s connect cloud NAME --workspace WORKSPACE --client-key KEY     (asks for the secret)
  %[2]s connect datacenter NAME --url URL --token -                   (reads the token)
  %[2]s sync NAME
  %[2]s serve
`, url, orElse(s.Program, "windlass"), dir)
}

// demoPlace is where a demo keeps its things.
type demoPlace struct {
	config config.Config
	made   string // temporary directory, "" where the data directory was given
}

// place makes a temporary directory with data and, beside them, the key, so that nothing of the user's is touched.
func (c demoCmd) place(s *session) (demoPlace, error) {
	p := demoPlace{config: s.config}
	p.config.Database, p.config.Server, p.config.HooksListen = "", "", ""
	p.config.Listen = freeAddress(s, c.Listen)
	if s.config.Origin("data-dir") == "--data-dir" {
		if s.config.Origin("key-file") != "--key-file" {
			p.config.KeyFile = filepath.Clean(p.config.DataDir) + "-key"
		}
		return p, nil
	}
	dir, err := os.MkdirTemp("", "windlass-demo-")
	if err != nil {
		return p, fault.Wrap(err, fault.Unavailable, "no temporary directory could be made").With("set TMPDIR, or give --data-dir")
	}
	p.made, p.config.DataDir, p.config.KeyFile = dir, filepath.Join(dir, "data"), filepath.Join(dir, "key")
	return p, nil
}

func (p demoPlace) remove() error {
	if p.made == "" {
		return nil
	}
	return os.RemoveAll(p.made)
}

// freeAddress returns the wanted address, or any free port of its host where somebody else has it.
func freeAddress(s *session, wanted string) string {
	l, err := (&net.ListenConfig{}).Listen(s.ctx, "tcp", wanted)
	if err == nil {
		_ = l.Close()
		return wanted
	}
	host, _, splitErr := net.SplitHostPort(wanted)
	if splitErr != nil {
		return wanted
	}
	return net.JoinHostPort(host, "0")
}
