package sandbox

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Options say what a sandbox holds and how it behaves. The zero value is a small demo.
type Options struct {
	Seed         uint64 // 0 means 1; the same options give the same bytes
	Repositories int    // default 24
	PullRequests int    // default 300
	Users        int    // default 30

	// Epoch is the moment before which all generated data lies; default 2026-09-01. It is part of the data, so a
	// demo that wants fresh dates passes today's.
	Epoch time.Time
	// Clock gives the time of what happens while the sandbox runs: changes, token expiry, rate limits. Default
	// time.Now.
	Clock func() time.Time
	// Skew is how far the sandbox's clock is ahead of Clock; see SetSkew.
	Skew time.Duration

	Latency time.Duration // added to every REST answer

	// RateLimit switches the rolling-hour limits of FACTS 37-47 on; Limits changes their sizes.
	RateLimit bool
	Limits    Limits

	// DCVersion is the version of Bitbucket Data Center: 7.6, 7.21, 8.9, 9.4 (the default) or 10.0.
	DCVersion string
	// DCISODates lets version 10 write the dates of pull requests as texts, as its webhooks do (FACTS 149a).
	DCISODates bool

	// OAuth is the form of token answers.
	OAuth OAuth

	Faults []Fault

	// Webhooks say how deliveries go; see SetWebhooks.
	Webhooks Webhooks

	// ImportGit is a local clone that becomes one more repository; see importGit for the rule.
	ImportGit string

	// PublicURL replaces scheme and host (and the /cloud prefix) in links.self, html and clone links, as the real
	// Bitbucket writes its own address whatever host was called. `next` always repeats the host that was called.
	PublicURL string

	// TempDir is where git repositories are written; default os.TempDir.
	TempDir string
}

// Limits are allowances per rolling hour and principal, and what bounds Data Center. Zero means the default, that of
// FACTS 37 and 38 for the Cloud.
type Limits struct {
	API       int // 1,000
	Git       int // 60,000
	Anonymous int // 60, per address, over everything

	// Of Data Center: the token bucket of every user (FACTS 141), and the page size of pull requests that is granted
	// at most.
	DCCapacity int // 60
	DCFill     int // 5 per second
	DCPage     int // 100

	// RetryAfter says what a 429 carries: "" nothing (the default, FACTS 44), "seconds" or "date".
	RetryAfter string
}

// OAuth is the form of the token endpoint's answers (FACTS 20 to 23).
type OAuth struct {
	LegacyScopes bool          // answer with `scopes`, as before 2026-05-04, instead of `scope`
	ExpiresIn    time.Duration // default two hours
}

// Sandbox is a running look-alike. Its handler may be served by any number of servers; all methods are safe for
// concurrent use.
type Sandbox struct {
	acts  // of Bitbucket Cloud
	opts  Options
	clock func() time.Time

	mu      sync.RWMutex // guards world, credentials, tokens and lastNow
	world   *world
	creds   []*credential
	byToken map[string]*credential // access tokens and issued OAuth tokens
	issued  map[string]*issuedToken
	serial  uint64
	lastNow int64
	acting  int64        // when what happens now happens, while Day runs; zero: by the clock
	skew    atomic.Int64 // nanoseconds by which clock is ahead of Options.Clock
	dayMu   sync.Mutex   // one Day at a time

	limits *limiter
	stats  *stats
	faults *faultTable
	routes *routeTable

	commands map[string]command

	sshHost string    // its public key
	sshKeys []*sshKey // guarded by mu
	sshBase atomic.Pointer[string]

	writers sync.Pool // of *writer, for their buffers

	courier             *courier
	cloudBases, dcBases atomic.Pointer[bases] // where each was called last

	dcVersion dcVersion
	dcRoutes  *routeTable
	dcOnce    sync.Once
	dcSide    *dataCenter // see dc

	dirOnce sync.Once
	dir     string
	dirErr  error
}

// New makes a sandbox. It fails only on impossible options or on an import that cannot be read.
func New(o Options) (*Sandbox, error) {
	if o.Seed == 0 {
		o.Seed = 1
	}
	setDefault(&o.Repositories, 24)
	setDefault(&o.PullRequests, 300)
	setDefault(&o.Users, 30)
	if o.Users < 5 || o.Repositories < 2 || o.PullRequests < 0 {
		return nil, fault.New(fault.Usage, "a sandbox needs at least 5 users and 2 repositories, not %d and %d", o.Users, o.Repositories)
	}
	if o.Epoch.IsZero() {
		o.Epoch = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.OAuth.ExpiresIn == 0 {
		o.OAuth.ExpiresIn = 2 * time.Hour
	}
	setDefault(&o.Limits.API, 1000)
	setDefault(&o.Limits.Git, 60000)
	setDefault(&o.Limits.Anonymous, 60)
	setDefault(&o.Limits.DCCapacity, 60)
	setDefault(&o.Limits.DCFill, 5)
	setDefault(&o.Limits.DCPage, 100)
	version, err := parseDCVersion(o.DCVersion)
	if err != nil {
		return nil, err
	}
	s := &Sandbox{
		opts: o, world: generate(o),
		byToken: map[string]*credential{}, issued: map[string]*issuedToken{},
		lastNow: o.Epoch.UnixMicro(), limits: newLimiter(o.Limits), faults: newFaultTable(),
	}
	s.clock = func() time.Time { return o.Clock().Add(time.Duration(s.skew.Load())) }
	s.skew.Store(int64(o.Skew))
	s.acts = acts{s: s, of: func() *world { return s.world }}
	s.routes = newRouteTable(cloudRoutes(), cloudUnknown)
	s.dcVersion, s.dcRoutes = version, newRouteTable(dcRoutes(version), dcUnknown)
	s.stats, s.commands = newStats(), commands()
	maps.Copy(s.commands, allSettingCommands())
	maps.Copy(s.commands, dcCommands())
	if s.courier, err = newCourier(o, version, s.clock); err != nil {
		return nil, err
	}
	for _, f := range o.Faults {
		if _, err := s.AddFault(f); err != nil {
			return nil, err
		}
	}
	if o.ImportGit != "" {
		if err := s.importGit(context.Background(), o.ImportGit); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	s.addKnownCredentials()
	return s, s.addKnownSSHKeys()
}

func setDefault(n *int, to int) {
	if *n == 0 {
		*n = to
	}
}

// Handler serves everything: REST, token endpoint, git and the control API.
func (s *Sandbox) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Close ends deliveries, drops those that wait, and removes what was written to disk. Requests must have ended.
func (s *Sandbox) Close() error {
	s.courier.close()
	s.dirOnce.Do(func() { s.dirErr = os.ErrClosed })
	if s.dir == "" {
		return nil
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fault.Wrap(err, fault.Internal, "cannot remove the sandbox's folder %s", s.dir)
	}
	return nil
}

// folder returns the folder for git repositories; it is made when the first is needed.
func (s *Sandbox) folder() (string, error) {
	s.dirOnce.Do(func() {
		s.dir, s.dirErr = os.MkdirTemp(s.opts.TempDir, "windlass-sandbox-")
		if s.dirErr == nil {
			s.dir, s.dirErr = filepath.Abs(s.dir)
		}
	})
	return s.dir, s.dirErr
}

// date is the provider's clock as the Date header tells it, which clients take their watermarks from. It is never
// before the generated data.
func (s *Sandbox) date() time.Time {
	if t := s.clock().UTC(); t.After(s.opts.Epoch) {
		return t
	}
	return s.opts.Epoch.UTC()
}

// now returns the time in microseconds; it never stands still, so what happens later is dated later. The caller
// holds the write lock.
func (s *Sandbox) now() int64 {
	at := s.acting
	if at == 0 {
		at = s.clock().UnixMicro()
	}
	s.lastNow = max(s.lastNow+1, at)
	return s.lastNow
}

// SetSkew puts the sandbox's clock so far ahead of Options.Clock, or behind it when negative: what happens from now on
// is dated by it, and the header Date tells it.
func (s *Sandbox) SetSkew(ahead time.Duration) { s.skew.Store(int64(ahead)) }
