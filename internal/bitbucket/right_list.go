package bitbucket

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/windlass-hq/windlass/internal/fault"
)

// refusals remembers which principals lack the scopes of a right, so that ten thousand repositories are not asked for
// what the first one was refused. What depends on the repository is not remembered.
type refusals struct {
	mu        sync.Mutex
	byFeature map[string]map[string]error // then by principal
}

func (r *refusals) of(feature, principal string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byFeature[feature][principal]
}

func (r *refusals) learn(feature, principal string, err error) {
	answer, ok := errors.AsType[*Answer](err)
	if !ok || len(answer.Required) == 0 || len(missing(answer.Required, answer.Granted)) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byFeature == nil {
		r.byFeature = map[string]map[string]error{}
	}
	if r.byFeature[feature] == nil {
		r.byFeature[feature] = map[string]error{}
	}
	r.byFeature[feature][principal] = err
}

// ListFor is List for what takes a right of the table. Principals whose kind of credential can never have the right,
// or who were refused for want of a scope before, are not asked. A refusal is a fault.Denied that names the right.
func (c *Client) ListFor(ctx context.Context, right Right, l Listing, yield func(Page) error) error {
	var last error // why the last principal is not asked
	may := l.May
	l.May = func(principal string) bool {
		if may != nil && !may(principal) {
			return false
		}
		need, ok := right.Kinds[c.Credential(principal).Kind]
		switch {
		case !ok:
			last = fault.New(fault.Denied, "no credential of this kind can read it")
		case need.Never != "":
			last = fault.New(fault.Denied, "%s", need.Never)
		default:
			err := c.refusals.of(right.Feature, principal)
			if err == nil {
				return true
			}
			last = err
		}
		return false
	}
	l.Refused = func(principal string, err error) { c.refusals.learn(right.Feature, principal, err) }
	var err error
	if slices.ContainsFunc(c.Principals(), l.May) || last == nil {
		err = c.List(ctx, l, yield)
	} else {
		err = last
	}
	if fault.Is(err, fault.Denied) {
		return right.denied(err)
	}
	return err
}

// denied names the right after a refusal.
func (r Right) denied(cause error) error {
	e := fault.Wrap(cause, fault.Denied, "%s cannot be read", r.What)
	var ways []string
	for _, kind := range []Kind{OAuth, Token, APIToken, Basic} {
		if need, ok := r.Kinds[kind]; ok && need.Never == "" {
			ways = append(ways, need.text(kind))
		}
	}
	if len(ways) == 0 {
		return e
	}
	return e.With("it takes %s", strings.Join(ways, ", or "))
}

// Needs says what the right takes of every kind of credential. Of two rights with the same needs, who lacks one on some
// object lacks the other.
func (r Right) Needs() string {
	var all []string
	for _, kind := range []Kind{OAuth, Token, APIToken, Basic} {
		need := r.Kinds[kind]
		all = append(all, strings.Join(need.Scopes, " ")+" "+need.Also+" "+need.Never)
	}
	return strings.Join(all, "; ")
}

// text says what a credential of a kind needs.
func (n Need) text(kind Kind) string {
	name := map[Kind]string{OAuth: "an OAuth consumer", Token: "an access token", APIToken: "an API token", Basic: "a user with password"}[kind]
	var parts []string
	if len(n.Scopes) > 0 {
		parts = append(parts, "with "+strings.Join(n.Scopes, " and "))
	}
	for _, more := range []string{n.Note, n.Also} {
		if more != "" {
			parts = append(parts, "("+more+")")
		}
	}
	return strings.TrimSpace(name + " " + strings.Join(parts, " "))
}

// RightOf returns the row of the table for a feature of a product; a feature that is not in it is a defect and comes as
// a right that nobody has.
func RightOf(p Product, feature string) Right {
	for _, r := range Rights() {
		if r.Product == p && r.Feature == feature {
			return r
		}
	}
	return Right{Product: p, Feature: feature, What: feature}
}
