package query

// dialect writes the few expressions that SQLite and PostgreSQL spell differently. Arguments are SQL already:
// columns, placeholders or expressions of ours.
//
// Two things about SQLite's JSON shape it: booleans come out as 1 and 0, so every comparison asks for the JSON type as
// well; and props is a JSONB blob, which the -> operator reads and turns into text.
type dialect struct{ postgres bool }

// path returns the argument that selects a property: a JSON path on SQLite, a plain label on PostgreSQL. The lexer
// lets no name through that would need an escape inside the quotes.
func (d dialect) path(property string) string {
	if d.postgres {
		return property
	}
	return `$."` + property + `"`
}

// changing wraps a bound integer so that SQLite chooses no index by its value. What it chose by a value it prepares
// again at each run, since that may be another one.
func (d dialect) changing(bound string) string {
	if d.postgres {
		return "CAST(" + bound + " AS BIGINT)"
	}
	return "(" + bound + " + 0)"
}

// greater is the greater of two integers.
func (d dialect) greater(a, b string) string {
	if d.postgres {
		return "GREATEST(" + a + ", " + b + ")"
	}
	return "max(" + a + ", " + b + ")"
}

// changingText is changing for a text.
func (d dialect) changingText(bound string) string {
	if d.postgres {
		return bound
	}
	return "(" + bound + " || '')"
}

// get is the JSON value of a property: JSON text on SQLite, jsonb on PostgreSQL.
func (d dialect) get(props, path string) string {
	if d.postgres {
		return "(" + props + " -> CAST(" + path + " AS TEXT))"
	}
	return "(" + props + " -> " + path + ")"
}

// text is the JSON text of a property, as it goes over the wire.
func (d dialect) text(props, path string) string {
	if d.postgres {
		return "CAST(" + d.get(props, path) + " AS TEXT)"
	}
	return d.get(props, path)
}

// scalar is a property as a value that compares with others of the same type.
func (d dialect) scalar(props, path string) string {
	if d.postgres {
		return d.get(props, path)
	}
	return "json_extract(" + props + ", " + path + ")"
}

// whole is the JSON text of all properties.
func (d dialect) whole(props string) string {
	if d.postgres {
		return "CAST(" + props + " AS TEXT)"
	}
	return "json(" + props + ")"
}

// typ is the JSON type of a property, NULL where there is none.
func (d dialect) typ(props, path string) string {
	if d.postgres {
		return "jsonb_typeof" + d.get(props, path)
	}
	return "json_type(" + props + ", " + path + ")"
}

// number is the number a property holds, NULL where it holds none.
func (d dialect) number(props, path string) string {
	if d.postgres {
		return "CASE " + d.typ(props, path) + " WHEN 'number' THEN CAST(" + d.get(props, path) + " AS DOUBLE PRECISION) END"
	}
	return "CASE WHEN " + d.typ(props, path) + " IN ('integer', 'real') THEN CAST(json_extract(" + props + ", " + path + ") AS DOUBLE PRECISION) END"
}

// elements is a table of the scalar values of a property: one row for a scalar, one per element for a list, none for
// undefined and for objects. PostgreSQL has one column x (jsonb); SQLite has x and its kind k: s, n or b.
func (d dialect) elements(props, path string) string {
	if d.postgres {
		v := d.get(props, path)
		return "(SELECT x FROM jsonb_array_elements(CASE jsonb_typeof" + v + " WHEN 'array' THEN " + v + " ELSE jsonb_build_array" + v +
			" END) AS j(x) WHERE jsonb_typeof(x) IN ('string', 'number', 'boolean'))"
	}
	v := d.get(props, path)
	return "(SELECT CASE type WHEN 'text' THEN 's' WHEN 'integer' THEN 'n' WHEN 'real' THEN 'n' WHEN 'true' THEN 'b' WHEN 'false' THEN 'b' END AS k, value AS x" +
		" FROM json_each(CASE " + d.typ(props, path) + " WHEN 'array' THEN " + v + " ELSE '[' || " + v + " || ']' END))"
}

// one is the table of elements of a single value that is no JSON; kind is s, n or b.
func (d dialect) one(expr, kind string) string {
	switch {
	case !d.postgres:
		return "(SELECT '" + kind + "' AS k, " + expr + " AS x)"
	case kind == "b":
		return "(SELECT to_jsonb(" + expr + " = 1) AS x)"
	}
	return "(SELECT to_jsonb(" + expr + ") AS x)"
}

// many is the table of elements of a subquery with one text column n.
func (d dialect) many(subquery string) string {
	if d.postgres {
		return "(SELECT to_jsonb(n) AS x FROM " + subquery + " AS q)"
	}
	return "(SELECT 's' AS k, n AS x FROM " + subquery + ")"
}

// classes is a table with one text column n: the classes of a kind.
func (d dialect) classes(kind string) string {
	if d.postgres {
		return "(SELECT c.n FROM kind AS k, jsonb_array_elements_text(CAST(k.classes AS JSONB)) AS c(n) WHERE k.id = " + kind + ")"
	}
	return "(SELECT c.value AS n FROM kind AS k, json_each(k.classes) AS c WHERE k.id = " + kind + ")"
}

// list gathers the text column n of a subquery into JSON text, in order.
func (d dialect) list(subquery string) string {
	if d.postgres {
		return "(SELECT CAST(jsonb_agg(n ORDER BY n COLLATE \"C\") AS TEXT) FROM " + subquery + " AS q)"
	}
	return "(SELECT json_group_array(n ORDER BY n) FROM " + subquery + ")"
}

// ids is a subquery of the numbers in a bound JSON array.
func (d dialect) ids(bound string) string {
	if d.postgres {
		return "(SELECT CAST(i AS BIGINT) FROM jsonb_array_elements_text(CAST(" + bound + " AS JSONB)) AS j(i))"
	}
	return "(SELECT value FROM json_each(" + bound + "))"
}

// bytewise makes texts sort by their bytes, as SQLite does by itself.
func (d dialect) bytewise(expr string) string {
	if d.postgres {
		return "(" + expr + `) COLLATE "C"`
	}
	return expr
}

// matches tests a text against another by ~=, ^= or $=.
func (d dialect) matches(op Op, text, part string) string {
	if d.postgres {
		part = "CAST(" + part + " AS TEXT)"
		switch op {
		case Contains:
			return "strpos(" + text + ", " + part + ") > 0"
		case StartsWith:
			return "left(" + text + ", length(" + part + ")) = " + part
		}
		return "right(" + text + ", length(" + part + ")) = " + part
	}
	switch op {
	case Contains:
		return "instr(" + text + ", " + part + ") > 0"
	case StartsWith:
		return "substr(" + text + ", 1, length(" + part + ")) = " + part
	}
	// A start of 0 would yield the whole text for an empty part.
	return "(" + part + " = '' OR substr(" + text + ", -length(" + part + ")) = " + part + ")"
}

// constant is a value of the query. It is bound when SQL first needs it: PostgreSQL refuses parameters that the
// statement does not use.
type constant struct {
	p     *planner
	kind  ValueKind // String, Number or Boolean
	value any       // string, int64, float64 or bool
	bound string
}

func (c *constant) bind() string {
	if c.bound == "" {
		c.bound = c.p.bind(c.value)
	}
	return c.bound
}

// json is the constant as jsonb, for PostgreSQL.
func (c *constant) json() string {
	types := map[ValueKind]string{String: "TEXT", Number: "NUMERIC", Boolean: "BOOLEAN"}
	return "to_jsonb(CAST(" + c.bind() + " AS " + types[c.kind] + "))"
}

// test compares the element v of an elements table with a constant.
func (d dialect) test(v string, op Op, c *constant) string {
	x := v + ".x"
	if d.postgres {
		switch {
		case op == Equal:
			return x + " = " + c.json()
		case op.ordered():
			return "jsonb_typeof(" + x + ") = 'number' AND " + x + " " + string(op) + " " + c.json()
		}
		return "jsonb_typeof(" + x + ") = 'string' AND " + d.matches(op, "("+x+" #>> '{}')", c.bind())
	}
	kind := map[ValueKind]string{String: "s", Number: "n", Boolean: "b"}[c.kind]
	if op == Equal || op.ordered() {
		return v + ".k = '" + kind + "' AND " + x + " " + string(op) + " " + c.bind()
	}
	return v + ".k = 's' AND " + d.matches(op, x, c.bind())
}

// testScalar is test for a property that is known to be no list; it spares the table of elements.
func (d dialect) testScalar(props, path string, op Op, c *constant) string {
	v := d.get(props, path)
	if d.postgres {
		switch {
		case op == Equal:
			return v + " = " + c.json()
		case op.ordered():
			return "(" + d.typ(props, path) + " = 'number' AND " + v + " " + string(op) + " " + c.json() + ")"
		}
		return "(" + d.typ(props, path) + " = 'string' AND " + d.matches(op, "("+v+" #>> '{}')", c.bind()) + ")"
	}
	extract := "json_extract(" + props + ", " + path + ")"
	types := map[ValueKind]string{String: "= 'text'", Number: "IN ('integer', 'real')", Boolean: "IN ('true', 'false')"}[c.kind]
	cond := extract + " " + string(op) + " " + c.bind()
	if op != Equal && !op.ordered() {
		cond = d.matches(op, extract, c.bind())
	}
	return "(" + cond + " AND " + d.typ(props, path) + " " + types + ")"
}

// testList is test for a property that may be a list, where the database has something better than its elements;
// ok is false where it has not.
func (d dialect) testList(props, path string, op Op, c *constant) (sql string, ok bool) {
	if !d.postgres || op != Equal {
		return "", false
	}
	// A jsonb array contains a scalar when one element equals it; a scalar contains itself; an object neither.
	return d.get(props, path) + " @> " + c.json(), true
}

// compareElements compares elements a and b of two tables of elements.
func (d dialect) compareElements(a string, op Op, b string) string {
	if d.postgres {
		types := func(t string) string {
			return "jsonb_typeof(" + a + ".x) = '" + t + "' AND jsonb_typeof(" + b + ".x) = '" + t + "' AND "
		}
		switch {
		case op == Equal:
			return a + ".x = " + b + ".x"
		case op.ordered():
			return types("number") + a + ".x " + string(op) + " " + b + ".x"
		}
		return types("string") + d.matches(op, "("+a+".x #>> '{}')", "("+b+".x #>> '{}')")
	}
	switch {
	case op == Equal:
		return a + ".k = " + b + ".k AND " + a + ".x = " + b + ".x"
	case op.ordered():
		return a + ".k = 'n' AND " + b + ".k = 'n' AND " + a + ".x " + string(op) + " " + b + ".x"
	}
	return a + ".k = 's' AND " + b + ".k = 's' AND " + d.matches(op, a+".x", b+".x")
}

// sortKeys are three expressions that order values: numbers, strings, booleans, anything else, undefined; the second
// and third order within.
func (d dialect) sortKeys(props, path string) []string {
	if d.postgres {
		v := d.get(props, path)
		t := "jsonb_typeof" + v
		return []string{
			"CASE " + t + " WHEN 'number' THEN 0 WHEN 'string' THEN 1 WHEN 'boolean' THEN 2 WHEN 'array' THEN CASE jsonb_array_length" + v +
				" WHEN 0 THEN 4 ELSE 3 END WHEN 'object' THEN 3 ELSE 4 END",
			"CASE " + t + " WHEN 'number' THEN CAST(" + v + " AS DOUBLE PRECISION) WHEN 'boolean' THEN CASE WHEN CAST(" + v + " AS BOOLEAN) THEN 1 ELSE 0 END END",
			d.bytewise("CASE " + t + " WHEN 'string' THEN " + v + " #>> '{}' END"),
		}
	}
	t, v := d.typ(props, path), "json_extract("+props+", "+path+")"
	return []string{
		"CASE " + t + " WHEN 'integer' THEN 0 WHEN 'real' THEN 0 WHEN 'text' THEN 1 WHEN 'true' THEN 2 WHEN 'false' THEN 2 WHEN 'array' THEN CASE json_array_length(" +
			props + ", " + path + ") WHEN 0 THEN 4 ELSE 3 END WHEN 'object' THEN 3 ELSE 4 END",
		"CASE WHEN " + t + " IN ('integer', 'real', 'true', 'false') THEN " + v + " END",
		"CASE " + t + " WHEN 'text' THEN " + v + " END",
	}
}

// undefined tests whether a property has no value: absent, null or an empty list.
func (d dialect) undefined(props, path string) string {
	t := d.typ(props, path)
	length := "json_array_length(" + props + ", " + path + ")"
	if d.postgres {
		length = "jsonb_array_length" + d.get(props, path)
	}
	return "(CASE " + t + " WHEN 'array' THEN " + length + " = 0 WHEN 'null' THEN TRUE ELSE " + t + " IS NULL END)"
}
