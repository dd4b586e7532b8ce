package app

import (
	"context"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/store"
)

// refusal is a credential that Bitbucket does not accept.
type refusal struct {
	credential store.Credential
	why        string
}

// validate asks before a run whether Bitbucket accepts every credential of a connection, whatever its role, and keeps
// the verdicts. Where nothing can be judged (a spent allowance, no answer) nothing is refused: the run itself finds out.
func (a *App) validate(ctx context.Context, conn store.Connection) (refused []refusal, accepted int, err error) {
	credentials, err := a.store.Credentials(ctx, conn.ID)
	if err != nil {
		return nil, 0, err
	}
	asking, cancel := context.WithTimeout(ctx, validation)
	defer cancel()
	for _, k := range credentials {
		report, err := a.checkOne(asking, conn, k, nil, false)
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		if len(report.Credentials) != 1 || unjudged(err) {
			continue
		}
		found := report.Credentials[0]
		v := store.Verdict{Valid: found.Valid, Principal: found.Account, Scopes: found.Scopes, Problem: bare(found)}
		if v.Principal == "" {
			v.Principal = found.Principal
		}
		if len(v.Scopes) == 0 && k.Verdict != nil {
			v.Scopes = k.Verdict.Scopes // what the last check found is not asked again before each run
		}
		for _, m := range found.Missing {
			v.Missing = append(v.Missing, m.Scope+" (for "+m.Feature+")")
		}
		if err := a.store.SetVerdict(ctx, k.ID, v); err != nil && !fault.Is(err, fault.NotFound) {
			return nil, 0, err
		}
		if found.Valid {
			accepted++
		} else {
			refused = append(refused, refusal{k, v.Problem})
		}
	}
	return refused, accepted, nil
}

// refuse stops a run that a person starts while a credential is not accepted: with it the work would be slower than it
// was meant to be, and nobody might notice for months.
func refuse(conn store.Connection, refused []refusal) error {
	if len(refused) == 0 {
		return nil
	}
	r := refused[0]
	return fault.New(fault.Invalid, "credential %d of %q is not accepted, so nothing was read: %s", r.credential.ID, conn.Name, r.why).
		With("add a good one and remove this one: windlass connection credential add %s …, windlass connection credential remove %s %d. Scheduled runs go on with the others",
			conn.Name, conn.Name, r.credential.ID)
}

// bare is what is wrong with a credential, without the advice.
func bare(c bitbucket.CredentialReport) string {
	return strings.TrimSuffix(c.Problem, " ("+c.Remedy+")")
}

// without is what a scheduled run does without: it goes on with the others, and says so. Where none is accepted it tries
// with all, so that it fails with what Bitbucket says and is on record.
func without(refused []refusal, accepted int) map[int64]string {
	if accepted == 0 {
		return nil
	}
	out := map[int64]string{}
	for _, r := range refused {
		out[r.credential.ID] = "a credential was not used: " + r.why
	}
	return out
}

// forgone is what background work does without: what the check before its run has refused, which is not asked again for
// each slice. Too many failed logins lock an account of a Data Center.
func (a *App) forgone(ctx context.Context, conn store.Connection) (map[int64]string, error) {
	credentials, err := a.store.Credentials(ctx, conn.ID)
	if err != nil {
		return nil, err
	}
	var refused []refusal
	for _, k := range credentials {
		if k.Verdict != nil && !k.Verdict.Valid {
			refused = append(refused, refusal{k, k.Verdict.Problem})
		}
	}
	return without(refused, len(credentials)-len(refused)), nil
}
