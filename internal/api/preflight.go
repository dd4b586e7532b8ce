package api

import (
	"context"
	"math"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

// PeerFormula is how many calls the usual client makes for R repositories and P pull requests: pages of ten, four
// lists per repository and three calls per pull request. What is published leaves out the lists per repository.
const PeerFormula = "R/10 + 4R + 3P"

// foretell adds to a check what a first full read takes. That it cannot be found out is told, and stops nothing.
//
//nolint:nilerr // see above
func (s *Server) foretell(ctx context.Context, conn store.Connection, credentials []store.Credential, check *checked) error {
	p, err := s.Preflight(ctx, conn, credentials)
	if fault.Is(err, fault.Canceled) {
		return err
	}
	if err != nil {
		check.Warnings = append(check.Warnings, "what a first read takes could not be found out: "+err.Error())
		return nil
	}
	perHour, perSecond := pace(conn, check.principals)
	w := client.Preflight{
		Projects: p.Projects, Users: p.Users, Repositories: p.Repositories, AtLeast: p.AtLeast,
		PullRequests: p.PullRequests.Number, PullRequestsEstimated: !p.PullRequests.Exact && !p.PullRequests.Unknown,
		PullRequestsUnknown: p.PullRequests.Unknown, GitBytes: p.GitBytes, Calls: p.Calls,
		SettingsCalls: int(math.Ceil(float64(p.Repositories) * sync.SettingsPerWeek(bitbucket.Product(conn.Product)))),
		Principals:    check.principals, CallsPerHour: perHour, CallsPerSecond: perSecond,
		PeerFormula: PeerFormula, PeerCalls: p.Repositories/10 + 4*p.Repositories + 3*p.PullRequests.Number,
	}
	w.Hours = hours(w.Calls, w.CallsPerHour)
	w.PeerHours = hours(w.PeerCalls, w.CallsPerHour)
	check.Preflight = &w
	return nil
}

// pace is how many calls an hour Windlass may make with so many principals, and on Data Center, which counts no hours,
// how many a second, whoever asks.
func pace(conn store.Connection, principals int) (perHour int, perSecond float64) {
	if conn.Product == string(bitbucket.DataCenter) {
		perSecond = bitbucket.DefaultThrottle().PerSecond
		if rate, err := strconv.ParseFloat(conn.Settings["rate"], 64); err == nil && rate > 0 {
			perSecond = rate
		}
		return max(1, int(perSecond*3600)), perSecond
	}
	one := float64(cloud.Allowances("", cloud.Stated(conn.Settings["allowance"]))[""]) * bitbucket.DefaultShare // more where the vendor names a larger allowance in its answers
	return int(one) * max(1, principals), 0
}

func hours(calls, perHour int) float64 {
	return math.Round(float64(calls)/float64(max(1, perHour))*1000) / 1000
}

// advise is what a person should know about the credentials at hand.
func (s *Server) advise(ctx context.Context, conn store.Connection, credentials []store.Credential, check *checked) error {
	kinds := map[bitbucket.Kind]int{}
	for _, k := range credentials {
		kinds[bitbucket.Kind(k.Kind)]++
	}
	add := func(text string) { check.Advice = append(check.Advice, text) }
	if conn.Product == string(bitbucket.Cloud) {
		if cloud.Allowances(conn.Settings["api-url"], cloud.Stated(conn.Settings["allowance"]))[""] == bitbucket.Unpublished {
			add("This address is not Bitbucket's own and publishes no limit: it is asked until it refuses, and the hours above are those that Bitbucket's own limit would take. The option allowance states another.")
		}
		if kinds[bitbucket.OAuth] > 0 {
			add("An OAuth consumer must be private and have a callback URL (any will do). Keep it for Windlass alone: Bitbucket counts 1,000 calls an hour per consumer, whoever makes them.")
		}
		if kinds[bitbucket.APIToken] > 0 {
			add("An API token acts as its person: their other tools spend the same allowance, and it ends with the account or after a year at most.")
		}
		if p := check.Preflight; p != nil && p.Hours > 1 {
			add("One more consumer or token shortens the first read: windlass connection credential add " + conn.Name + " --client-key KEY")
		}
	} else {
		if kinds[bitbucket.Token] > 0 {
			add("A token of a user ends with that user: best is one of a user for services, with read permission on projects and repositories.")
		}
		if kinds[bitbucket.Basic] > 0 {
			add("A password does everything its user may. A token with read permission is enough for what is read today: windlass connection credential add " + conn.Name + " --token @FILE")
		}
	}
	others, err := s.sharing(ctx, conn, credentials)
	if len(others) > 0 {
		check.Warnings = append(check.Warnings, "a credential is also used by "+strings.Join(others, ", ")+": both spend the same allowance")
	}
	return err
}

// sharing names the other connections that use one of the credentials.
func (s *Server) sharing(ctx context.Context, conn store.Connection, credentials []store.Credential) ([]string, error) {
	all, err := s.Store.Connections(ctx)
	if err != nil {
		return nil, err
	}
	mine := map[string]bool{}
	for _, k := range credentials {
		mine[bitbucketCredential(k).Principal()] = true
	}
	var out []string
	for _, other := range all {
		if other.Name == conn.Name || other.Product != conn.Product || other.Settings["api-url"] != conn.Settings["api-url"] || other.Settings["url"] != conn.Settings["url"] {
			continue
		}
		theirs, err := s.Store.Credentials(ctx, other.ID)
		if err != nil {
			return nil, err
		}
		for _, k := range theirs {
			if mine[bitbucketCredential(k).Principal()] {
				out = append(out, other.Name)
				break
			}
		}
	}
	return out, nil
}
