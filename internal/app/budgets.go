package app

import (
	"context"
	"strconv"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// budgets tells what the principals of a connection have spent in the last hour, by every process on the database; it
// is api.Options.Budgets. Nobody is asked for it. Who the credentials of a Data Center belong to is known to itself
// alone, so there every user stands whose calls were counted for the instance.
func (a *App) budgets(ctx context.Context, conn store.Connection, credentials []store.Credential) ([]bitbucket.Budget, error) {
	if bitbucket.Product(conn.Product) == bitbucket.DataCenter {
		stored, err := a.store.Spending(ctx, store.SpendingFilter{Realm: datacenter.Realm(conn.Settings["instance"])})
		if err != nil {
			return nil, err
		}
		var out []bitbucket.Budget
		for _, s := range stored {
			if s.Calls > 0 || !s.RestsUntil.IsZero() {
				out = append(out, bitbucket.StoredBudget(s, nil, nil, 0, a.Now()))
			}
		}
		return out, nil
	}
	realm, err := cloud.Realm(conn.Settings["api-url"])
	if err != nil {
		return nil, err
	}
	var names []string
	byPrincipal := map[string]bitbucket.Credential{}
	for _, k := range credentials {
		c := credentialOf(k)
		p := c.Principal()
		if _, known := byPrincipal[p]; !known {
			names = append(names, p)
		}
		byPrincipal[p] = c
	}
	if len(names) == 0 {
		return nil, nil
	}
	stored, err := a.store.Spending(ctx, store.SpendingFilter{Realm: realm, Principals: names})
	if err != nil {
		return nil, err
	}
	allowances := cloud.Allowances(conn.Settings["api-url"], cloud.Stated(conn.Settings["allowance"]))
	var out []bitbucket.Budget
	for _, p := range names {
		cred := byPrincipal[p]
		used := false
		for _, s := range stored {
			if s.Principal == p {
				out = append(out, bitbucket.StoredBudget(s, &cred, allowances, 0, a.Now()))
				used = used || s.Group == bitbucket.DefaultGroup
			}
		}
		if !used {
			s := store.Spent{Account: store.Account{Realm: realm, Principal: p, Group: bitbucket.DefaultGroup}}
			out = append(out, bitbucket.StoredBudget(s, &cred, allowances, 0, a.Now()))
		}
	}
	return out, nil
}

// throttleOf reads how fast a connection's instance may be asked: kindly, unless its options rate, in-flight and hours
// say otherwise.
func throttleOf(settings map[string]string) (bitbucket.Throttle, error) {
	t := bitbucket.DefaultThrottle()
	if v := settings["rate"]; v != "" {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || n <= 0 {
			return t, fault.New(fault.Invalid, "%q is no number of requests per second", v).With("set the connection's option rate to a number such as 5")
		}
		t.PerSecond = n
	}
	if v := settings["in-flight"]; v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n <= 0 {
			return t, fault.New(fault.Invalid, "%q is no number of requests", v).With("set the connection's option in-flight to a number such as 4")
		}
		t.InFlight = n
	}
	var err error
	t.Hours, err = bitbucket.ParseHours(settings["hours"])
	return t, err
}
