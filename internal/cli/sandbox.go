package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
	"github.com/windlass-hq/windlass/internal/fault"
)

// worldFlags say what a sandbox holds.
type worldFlags struct {
	Repos        int    `default:"24" help:"Repositories." placeholder:"N"`
	PullRequests int    `default:"300" help:"Pull requests." placeholder:"N"`
	Users        int    `default:"30" help:"Users." placeholder:"N"`
	Seed         uint64 `default:"1" help:"The same seed gives the same data." placeholder:"N"`
	ImportGit    string `help:"Clone of a real git repository that becomes one more repository." placeholder:"PATH"`
}

func (f worldFlags) options() sandbox.Options {
	return sandbox.Options{Seed: f.Seed, Repositories: f.Repos, PullRequests: f.PullRequests, Users: f.Users, ImportGit: f.ImportGit}
}

type sandboxCmd struct {
	Listen string `default:"127.0.0.1:7990" help:"Address." placeholder:"HOST:PORT"`
	worldFlags
	Latency   time.Duration `help:"Time added to every answer." placeholder:"TIME"`
	RateLimit rateLimit     `help:"Enforce the real limits: in the Cloud 1,000 calls per rolling hour and credential, or N with --rate-limit=N; on Data Center a token bucket per user." placeholder:"N"`
	Faults    string        `help:"Faults to begin with, as JSON: @FILE or the text." placeholder:"JSON"`
	DCVersion string        `name:"dc-version" enum:"7.6,7.21,8.9,9.4,10.0" default:"9.4" help:"Version of Bitbucket Data Center: ${enum}." placeholder:"VERSION"`
	Lose      float64       `name:"lose-webhooks" help:"Chance that a delivery to a webhook is lost, from 0 to 1; it follows from the seed." placeholder:"P"`
	PublicURL string        `name:"public-url" help:"Scheme and host that links carry instead of its own." placeholder:"URL"`
	entranceFlags
}

// Help implements kong.HelpProvider.
func (sandboxCmd) Help() string {
	return `Bitbucket Cloud is at /cloud (API at /cloud/2.0). Its workspace is acme; credentials are sandbox-key with
sandbox-secret, sandbox-key-2 with sandbox-secret-2, and so on.

Bitbucket Data Center is at /dc. Its administrator is admin with sandbox-password; HTTP access tokens are
sandbox-token, sandbox-token-2, and so on, each of a user of its own. With --rate-limit every user has the
vendor's bucket of 60 calls that refills by 5 per second.

--repos, --pull-requests and --users hold for each product. GET /sandbox/stats counts requests and objects of both.

--ssh-listen adds git over SSH, --tls https with a private authority, and --base-path a path before everything, so that
--ca-file, --tls-cert and SSH clone URLs can be tried.

Example:
  windlass sandbox --repos 100 --pull-requests 2000
  windlass sandbox --tls-ca-out ca.pem --base-path /bb --ssh-listen 127.0.0.1:7999 --ssh-key-out id_sandbox
  windlass connect cloud try --workspace acme --api-url http://127.0.0.1:7990/cloud/2.0 --client-key sandbox-key
  windlass connect datacenter try-dc --url http://127.0.0.1:7990/dc --token sandbox-token --yes`
}

// Run serves a sandbox until the context ends.
func (c sandboxCmd) Run(s *session) error {
	o := c.options()
	o.Latency, o.RateLimit, o.PublicURL, o.Clock = c.Latency, c.RateLimit.on, c.PublicURL, s.Now
	o.Limits.API = c.RateLimit.calls
	o.DCVersion, o.Webhooks.Lose = c.DCVersion, c.Lose
	faults, err := readFaults(c.Faults)
	if err != nil {
		return err
	}
	o.Faults = faults
	b, err := startSandbox(s.ctx, o, c.Listen, c.entranceFlags)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "Sandbox of Bitbucket Cloud at %s/cloud/2.0, workspace acme, client key sandbox-key, secret sandbox-secret\n", b.url)
	fmt.Fprintf(s.Out, "Sandbox of Bitbucket Data Center %s at %s/dc, administrator admin, password sandbox-password, token sandbox-token\n", c.DCVersion, b.url)
	b.tell(s.Out, b.Sandbox)
	select {
	case <-s.ctx.Done():
	case err = <-b.failed:
	}
	if closing := b.stop(); err == nil {
		err = closing
	}
	return err
}

// rateLimit is a flag that may stand alone or carry the number of calls.
type rateLimit struct {
	on    bool
	calls int // per hour; 0 for the vendor's
}

// IsBool tells kong that the flag needs no value.
func (rateLimit) IsBool() bool { return true }

// Decode implements kong.MapperValue.
func (l *rateLimit) Decode(ctx *kong.DecodeContext) error {
	l.on = true
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	text := fmt.Sprint(ctx.Scan.Pop().Value)
	if l.on = text != "false"; !l.on || text == "true" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is no number of calls", text)
	}
	l.calls = n
	return nil
}

func readFaults(flag string) ([]sandbox.Fault, error) {
	if flag == "" {
		return nil, nil
	}
	text := flag
	if path, ok := strings.CutPrefix(flag, "@"); ok {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fault.Wrap(err, fault.Usage, "--faults: the file cannot be read")
		}
		text = string(b)
	}
	var list []sandbox.Fault
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return nil, fault.Wrap(err, fault.Usage, "--faults is no JSON list of faults").
			With(`write it like [{"kind":"status","status":503,"path":"/2.0/repositories"}]`)
	}
	return list, nil
}

// bench is a sandbox that is being served.
type bench struct {
	*sandbox.Sandbox
	entrance
	url     string
	server  *http.Server
	failed  chan error
	hangUp  context.CancelFunc // ends SSH
	serving sync.WaitGroup
}

func startSandbox(ctx context.Context, o sandbox.Options, address string, f entranceFlags) (*bench, error) {
	world, err := sandbox.New(o)
	if err != nil {
		return nil, err
	}
	e, err := f.open(ctx, world)
	if err != nil {
		return nil, errors.Join(err, world.Close())
	}
	l, err := listen(ctx, "--listen", address)
	if err != nil {
		if e.ssh != nil {
			_ = e.ssh.Close()
		}
		return nil, errors.Join(err, world.Close())
	}
	b := &bench{
		Sandbox: world, entrance: e, url: "http://" + l.Addr().String() + e.path, failed: make(chan error, 2),
		server: &http.Server{Handler: e.handler, TLSConfig: e.tls, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute},
	}
	serve := b.server.Serve
	if e.tls != nil {
		b.url = "https" + strings.TrimPrefix(b.url, "http")
		serve = func(l net.Listener) error { return b.server.ServeTLS(l, "", "") }
	}
	b.serving.Go(func() {
		if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
			b.failed <- fmt.Errorf("serve the sandbox: %w", err)
		}
	})
	// SSH ends when the sandbox is stopped, not when the context ends, as with HTTP.
	ctx, b.hangUp = context.WithCancel(context.WithoutCancel(ctx))
	if e.ssh != nil {
		b.serving.Go(func() {
			if err := world.ServeSSH(ctx, e.ssh); err != nil {
				b.failed <- err
			}
		})
	}
	return b, nil
}

// stop ends the sandbox; what was in flight gets a second.
func (b *bench) stop() error {
	b.hangUp()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := b.server.Shutdown(ctx); err != nil {
		_ = b.server.Close()
	}
	b.serving.Wait()
	return b.Close()
}
