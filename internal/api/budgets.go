package api

import (
	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/bitbucket"
)

// budgetsOf puts budgets into the form of the API.
func budgetsOf(list []bitbucket.Budget) []client.Budget {
	out := make([]client.Budget, 0, len(list))
	for _, b := range list {
		c := client.Budget{Principal: b.Principal, Name: b.Name, Group: b.Group, Spent: b.Spent, Allowance: b.Allowance}
		if b.Allowance > 0 {
			c.Share = b.Allowance - b.Reserve
		}
		if !b.RestsUntil.IsZero() {
			c.RestsUntil = &b.RestsUntil
		}
		out = append(out, c)
	}
	return out
}
