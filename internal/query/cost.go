package query

import (
	"math"
)

// order returns the nodes in the order in which the path is walked: the start of the walk, then its neighbours. Every
// start and both sides first are compared by a rough count of the rows touched; what matters is to begin where little
// is left, and a wrong guess costs time, never rows.
func (p *planner) order() []int {
	last := len(p.nodes) - 1
	best, bestCost := []int(nil), math.Inf(1)
	for first := 0; first <= last; first++ {
		for _, rightFirst := range []bool{true, false} {
			walk := []int{first}
			right := func() {
				for n := first + 1; n <= last; n++ {
					walk = append(walk, n)
				}
			}
			if rightFirst {
				right()
			}
			for n := first - 1; n >= 0; n-- {
				walk = append(walk, n)
			}
			if !rightFirst {
				right()
			}
			if c := p.cost(walk); c < bestCost {
				best, bestCost = walk, c
			}
		}
	}
	return best
}

// cost estimates the rows that a walk touches.
func (p *planner) cost(walk []int) float64 {
	first := walk[0]
	rows := p.size(first) * p.selectivity(first)
	cost := rows
	if !p.indexed(first) {
		cost = p.size(first)
	}
	left, right := first, first
	for _, n := range walk[1:] {
		near := left
		if n > right {
			near, right = right, n
		} else {
			left = n
		}
		// The edges of a hop are at least as many as the larger end has entities.
		rows *= max(1, p.size(n)/p.size(near))
		cost += rows
		rows *= p.selectivity(n)
	}
	return cost
}

// size is the number of entities of a node's kinds, at least one.
func (p *planner) size(n int) float64 {
	total := int64(0)
	for _, k := range p.nodes[n].kinds {
		total += p.counts[k.ID]
	}
	return float64(max(1, total))
}

// selectivity guesses the share of a node's entities that satisfy its conditions.
func (p *planner) selectivity(n int) float64 {
	share := 1.0
	for _, c := range p.nodes[n].conds {
		share *= p.share(c, p.size(n))
	}
	return share
}

func (p *planner) share(e Expr, size float64) float64 {
	switch e := e.(type) {
	case *And:
		s := 1.0
		for _, t := range e.Terms {
			s *= p.share(t, size)
		}
		return s
	case *Or:
		s := 0.0
		for _, t := range e.Terms {
			s += p.share(t, size)
		}
		return min(1, s)
	case *Compare:
		op, negated := e.Op.positive()
		s := p.shareOf(e.Left.Property, op, e.Right.Values[0], size)
		if n := len(e.Right.Values); n > 1 && e.Right.Conjunction == OneOf {
			s = min(1, s*float64(n))
		}
		if negated {
			return max(0.1, 1-s)
		}
		return s
	}
	return 1
}

// shareOf guesses by the kind of comparison; names and identifiers are taken to be nearly unique.
func (p *planner) shareOf(property string, op Op, v Value, size float64) float64 {
	switch {
	case v.Kind == Property, v.Kind == Undefined:
		return 0.5
	case op == Equal && v.Kind == Boolean:
		return 0.4
	case op == Equal:
		switch property {
		case "_key":
			return 1 / size
		case "id", "key", "name", "displayName", "slug", "fullName", "username", "nickname", "accountId", "webLink", "title":
			return max(1/size, 0.0005)
		}
		return 0.1
	case op.ordered():
		if v.Kind == Moment && (op == Greater || op == AtLeast) {
			// The younger the moment, the less lies behind it; a thousand days are taken for all of history.
			age := p.now.Sub(v.Date.Resolve(p.now)).Hours() / 24
			return max(0.001, min(0.7, age/1000))
		}
		return 0.3
	}
	return 0.1
}

// indexed reports whether an index narrows a node's conditions.
func (p *planner) indexed(n int) bool {
	for _, c := range p.nodes[n].conds {
		if cmp, ok := c.(*Compare); ok {
			op, negated := cmp.Op.positive()
			if negated || op != Equal && !op.ordered() || cmp.Right.Values[0].Kind == Property {
				continue
			}
			switch cmp.Left.Property {
			case "_key", "displayName", "_beginOn":
				return true
			}
			if column, _, ok := p.promoted(p.nodes[n].kinds, cmp.Left.Property); ok && column != "approved" {
				return true
			}
		}
	}
	return len(p.nodes[n].conds) == 0
}
