package query

import "time"

// Query is a parsed and bound query. Build it with Parse.
type Query struct {
	Unique bool
	Start  Node
	Hops   []Hop
	Where  Expr   // nil without WHERE
	Return []Item // nil without RETURN
	Order  *Order
	Skip   *int64
	Limit  *int64
	At     *Date // the moment to look at; nil for now

	text string // as given, for messages; empty in trees not made by Parse
}

// Name is a word of the query and its place.
type Name struct {
	Text string
	Pos  Pos
}

// Node selects entities.
type Node struct {
	Pos   Pos
	Any   bool   // *
	Names []Name // classes and types, any of which matches
	With  Expr   // nil without WITH
	Alias *Name
}

// Direction restricts a hop.
type Direction string

// The directions as they are written.
const (
	Either   Direction = ""
	Forward  Direction = ">>"
	Backward Direction = "<<"
)

// Hop goes from the entities before it along relationships to its target.
type Hop struct {
	Pos       Pos
	Not       bool   // !VERB: entities without such a relationship
	Verbs     []Name // in capitals; empty for RELATES TO
	Direction Direction
	Alias     *Name
	Target    Node
}

// Expr is a condition: *And, *Or or *Compare.
type Expr interface{ expr() }

// And holds when all of its two or more terms hold.
type And struct{ Terms []Expr }

// Or holds when one of its two or more terms holds.
type Or struct{ Terms []Expr }

// Compare compares a property with a value, with several, or with another property.
type Compare struct {
	Left  Operand
	Op    Op
	Right Right
}

func (*And) expr()     {}
func (*Or) expr()      {}
func (*Compare) expr() {}

// Op is a comparison operator as it is written.
type Op string

// The operators. Those with ! are the negations of those without.
const (
	Equal       Op = "="
	NotEqual    Op = "!="
	Greater     Op = ">"
	Less        Op = "<"
	AtLeast     Op = ">="
	AtMost      Op = "<="
	Contains    Op = "~="
	StartsWith  Op = "^="
	EndsWith    Op = "$="
	NotContains Op = "!~="
	NotStarts   Op = "!^="
	NotEnds     Op = "!$="
)

// positive returns the operator without its negation, and whether there was one.
func (o Op) positive() (Op, bool) {
	switch o {
	case NotEqual:
		return Equal, true
	case NotContains:
		return Contains, true
	case NotStarts:
		return StartsWith, true
	case NotEnds:
		return EndsWith, true
	}
	return o, false
}

// ordered reports whether the operator compares sizes.
func (o Op) ordered() bool { return o == Greater || o == Less || o == AtLeast || o == AtMost }

// Right is the right side of a comparison: one value, or several joined by AND or OR.
type Right struct {
	Conjunction Conjunction // "" for one value
	Values      []Value
}

// Conjunction joins the values of a list.
type Conjunction string

// The conjunctions.
const (
	OneOf Conjunction = "OR"
	AllOf Conjunction = "AND"
)

// ValueKind tells which field of a Value counts.
type ValueKind int

// The kinds of values.
const (
	Undefined ValueKind = iota // undefined, null
	String
	Number
	Boolean
	Moment
	Property
)

// Value is a constant, a date or another property.
type Value struct {
	Pos     Pos
	Kind    ValueKind
	Text    string  // of a String
	Int     int64   // of a Number
	Float   float64 // instead of Int when IsFloat
	IsFloat bool    // never for a whole number that fits Int
	Bool    bool
	Date    Date
	Operand Operand
}

// Date is a moment, absolute or relative to the time of the query.
type Date struct {
	Pos    Pos
	Now    bool
	Time   time.Time // UTC, when not Now
	Amount int64     // added; may be negative
	Unit   Unit      // "" when nothing is added
}

// Unit is a unit of date arithmetic.
type Unit string

// The units in their normal spelling. Months and years are those of the calendar in UTC.
const (
	Minutes Unit = "minutes"
	Hours   Unit = "hours"
	Days    Unit = "days"
	Weeks   Unit = "weeks"
	Months  Unit = "months"
	Years   Unit = "years"
)

// Resolve returns the moment, given the present.
func (d Date) Resolve(now time.Time) time.Time {
	t, n := d.Time, int(d.Amount)
	if d.Now {
		t = now.UTC()
	}
	switch d.Unit {
	case Minutes:
		return t.Add(time.Duration(n) * time.Minute)
	case Hours:
		return t.Add(time.Duration(n) * time.Hour)
	case Days:
		return t.AddDate(0, 0, n)
	case Weeks:
		return t.AddDate(0, 0, 7*n)
	case Months:
		return t.AddDate(0, n, 0)
	case Years:
		return t.AddDate(n, 0, 0)
	}
	return t
}

// Operand names a property: of the entity at hand in WITH, of an alias elsewhere.
type Operand struct {
	Pos      Pos
	Alias    string // empty in WITH
	Property string // empty for the whole entity
	ref      slot   // set by the binder
}

// Func is an aggregate function.
type Func string

// The aggregates.
const (
	None  Func = ""
	Count Func = "COUNT"
	Min   Func = "MIN"
	Max   Func = "MAX"
	Avg   Func = "AVG"
	Sum   Func = "SUM"
)

// Item is one element of RETURN.
type Item struct {
	Pos     Pos
	Func    Func
	Operand Operand
	All     bool // alias.*
	Label   string
}

// Column returns the name of the column: the label, else the item in its normal spelling.
func (i Item) Column() string {
	if i.Label != "" {
		return i.Label
	}
	return i.text()
}

// Order is ORDER BY: a label (or, without RETURN, a property of the start), or an item.
type Order struct {
	Pos   Pos
	Label string // when By is nil: a column, or without RETURN a property of the start
	By    *Item
	Desc  bool

	column int // set by the binder: the returned column meant, or -1
}

// slot is a place of the path that an alias stands for.
type slot struct {
	edge  bool
	index int // of the node (0 is the start), or of the hop
}

// and joins conditions, flattening nested ones; nil terms vanish.
func and(terms ...Expr) Expr {
	var flat []Expr
	for _, t := range terms {
		switch t := t.(type) {
		case nil:
		case *And:
			flat = append(flat, t.Terms...)
		default:
			flat = append(flat, t)
		}
	}
	switch len(flat) {
	case 0:
		return nil
	case 1:
		return flat[0]
	}
	return &And{Terms: flat}
}

// or joins alternatives, flattening nested ones.
func or(terms ...Expr) Expr {
	var flat []Expr
	for _, t := range terms {
		if o, ok := t.(*Or); ok {
			flat = append(flat, o.Terms...)
		} else {
			flat = append(flat, t)
		}
	}
	if len(flat) == 1 {
		return flat[0]
	}
	return &Or{Terms: flat}
}
