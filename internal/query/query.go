// Package query reads J1QL, the query language of JupiterOne, and answers it from the graph.
//
// A query goes through four stages, each a file or two: the lexer and parser make a tree (Parse), the binder ties
// every alias to its place in the tree (part of Parse), the checker warns about names the graph has never heard of
// (Check), and the planner turns the tree into one SQL statement for the database at hand, which Engine.Run executes
// row by row. The language is that of reference/jupiterone.md section 3; what goes beyond it is AT, the past moment.
//
// What the language leaves open is decided so:
//
//   - A path is a sequence of entities and the relationships between them. The same entity, and the same
//     relationship, may occur in it more than once. Two relationships between the same two entities are two paths.
//   - A RETURN without aggregates yields one row per path, duplicates included; FIND UNIQUE removes equal rows.
//     Without RETURN the result is the distinct start entities, and UNIQUE is redundant but allowed.
//   - Aggregates look at the distinct entities (or relationships) of a group, not at paths: an entity that is reached
//     twice is counted and summed once. MIN, MAX, AVG and SUM skip what is no number.
//   - A property is a set: a list has its elements, a scalar is a set of one, undefined and the empty list are empty.
//     Values of different types are never equal: 55 is not '55'.
//   - Two properties are equal when their sets share a value; != is the negation of =, also for undefined.
//   - An order comparison holds for numbers and times only, and for a list when one element satisfies it.
//   - Rows come in the order of the path's entities as first seen by Windlass, groups in the order of their keys, unless
//     ORDER BY says otherwise; undefined sorts last in either direction, numbers before strings before booleans.
//   - Negation applies to the last hop only. What stands behind it has no value, so nothing else may refer to it.
//   - tag.AccountName at a past moment is today's: who sees what is kept without history.
//   - A column is named by its label, else by the item in its normal spelling: COUNT(pr), pr.title.
package query

import (
	"time"
)

// Request is one question.
type Request struct {
	Text string
	// At asks for the graph as of a past moment; nil means now. The AT clause of the text does the same; giving both
	// is an error.
	At *time.Time
	// Limit bounds the rows besides the text's own LIMIT; 0 means no bound.
	Limit int
	// Viewer decides what may be seen. The zero value sees nothing.
	Viewer Viewer
	// Now is the clock for date.now; nil means the engine's.
	Now func() time.Time
}

// Info describes an answer as a whole.
type Info struct {
	// Columns are the column names in order. Rows bring further names of their own without RETURN, where Columns holds
	// what suits a table, and for items of the form alias.*, which Columns leaves out.
	Columns  []string
	Warnings []Warning
	Duration time.Duration
	Rows     int
	// At is the moment the answer shows, when it is not now.
	At *time.Time
}
