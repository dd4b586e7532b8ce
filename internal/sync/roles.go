package sync

import (
	"context"
	"maps"
	"slices"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/store"
)

// client is what the clients of both products have in common. A connection has one for data, and further ones where
// it has credentials for other roles (HARD-PARTS A, roles of credentials).
type client interface {
	Settings(place bitbucket.Place) []bitbucket.Settings
	Fetch(ctx context.Context, ref bitbucket.Ref) (bitbucket.Page, error)
	Budgets() []bitbucket.Budget
	Calls() int64
	Close()
}

// clients are those of a connection by the role whose credentials they use.
type clients[C client] struct {
	data  C
	other map[bitbucket.Role]C
}

func (cs clients[C]) all() []C {
	out := []C{cs.data}
	for _, c := range cs.other {
		out = append(out, c)
	}
	return out
}

// Settings asks for each list whoever has the role for it.
func (cs clients[C]) Settings(place bitbucket.Place) []Listing {
	var out []Listing
	for _, s := range cs.data.Settings(place) {
		if c, ok := cs.other[s.Right.Role]; ok {
			for _, t := range c.Settings(place) {
				if t.List == s.List {
					s = t
				}
			}
		}
		l := Listing{Parent: place.Key, Name: s.List, Title: s.Title, Owned: true, Needs: s.Right.Needs(), Pages: s.Pages}
		if outside := s.Outside; outside != nil {
			l.Outside = func(row store.EntityRow) bool { return outside(row.Entity) }
		}
		out = append(out, l)
	}
	return out
}

// Fetch asks whoever reads data.
func (cs clients[C]) Fetch(ctx context.Context, ref bitbucket.Ref) (bitbucket.Page, error) {
	return cs.data.Fetch(ctx, ref)
}

// Allowance adds up what the vendor grants the principals of all roles, each once.
func (cs clients[C]) Allowance() int {
	granted := map[string]int{}
	for _, c := range cs.all() {
		for _, b := range c.Budgets() {
			if b.Group == bitbucket.DefaultGroup && b.Trouble == "" {
				granted[b.Principal] = b.Allowance - b.Reserve
			}
		}
	}
	sum := 0
	for _, n := range granted {
		sum += n
	}
	return sum
}

func (cs clients[C]) Calls() int64 {
	var n int64
	for _, c := range cs.all() {
		n += c.Calls()
	}
	return n
}

func (cs clients[C]) Close() {
	for _, c := range cs.all() {
		c.Close()
	}
}

// Principals names everybody who reads in any role.
func (cs clients[C]) Principals() map[string]error {
	out := map[string]error{}
	for _, c := range cs.all() {
		maps.Copy(out, principals(c.Budgets()))
	}
	return out
}

// ByRole opens the client that reads data, and one more for each other role of reading that has credentials of its own.
func ByRole[C any](credentials []bitbucket.Credential, open func(bitbucket.Role) (C, error)) (data C, others map[bitbucket.Role]C, err error) {
	if data, err = open(bitbucket.RoleData); err != nil {
		return data, nil, err
	}
	others = map[bitbucket.Role]C{}
	for _, role := range []bitbucket.Role{bitbucket.RoleAccess, bitbucket.RoleHooks} {
		if !slices.ContainsFunc(credentials, func(k bitbucket.Credential) bool { return k.Role == role }) {
			continue
		}
		if others[role], err = open(role); err != nil {
			return data, nil, err
		}
	}
	return data, others, nil
}
