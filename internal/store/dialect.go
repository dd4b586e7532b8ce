package store

import "fmt"

// Dialect holds the few places where the SQL of the two databases differs. Everything else is one text with $1
// placeholders.
type Dialect struct {
	postgres bool
}

// Name returns "sqlite" or "postgres".
func (d Dialect) Name() string {
	if d.postgres {
		return "postgres"
	}
	return "sqlite"
}

// JSONOut reads a JSON column as text.
func (d Dialect) JSONOut(column string) string {
	if d.postgres {
		return column + "::text"
	}
	return "json(" + column + ")"
}

// JSONIn writes a text parameter into a JSON column.
func (d Dialect) JSONIn(placeholder string) string {
	if d.postgres {
		return placeholder + "::jsonb"
	}
	return "jsonb(" + placeholder + ")"
}

// Contains tests whether a text column contains a text parameter, letter case included.
func (d Dialect) Contains(column, placeholder string) string {
	if d.postgres {
		return "strpos(" + column + ", " + placeholder + ") > 0"
	}
	return "instr(" + column + ", " + placeholder + ") > 0"
}

// KeysIn makes the rows of a text parameter that holds a JSON list of strings: WHERE key IN (KeysIn).
func (d Dialect) KeysIn(placeholder string) string {
	if d.postgres {
		return "SELECT jsonb_array_elements_text(" + placeholder + "::jsonb)"
	}
	return "SELECT value FROM json_each(" + placeholder + ")"
}

// IDsIn makes the rows of a text parameter that holds a JSON list of integers.
func (d Dialect) IDsIn(placeholder string) string {
	if d.postgres {
		return "SELECT jsonb_array_elements_text(" + placeholder + "::jsonb)::bigint"
	}
	return "SELECT value FROM json_each(" + placeholder + ")"
}

// Text reads an unpromoted property as text; NULL where it is absent or no string.
func (d Dialect) Text(column, property string) string {
	if d.postgres {
		return fmt.Sprintf("CASE WHEN jsonb_typeof(%[1]s->%[2]s) = 'string' THEN %[1]s->>%[2]s END", column, quote(property))
	}
	return fmt.Sprintf("CASE WHEN json_type(%[1]s, %[2]s) = 'text' THEN %[1]s->>%[2]s END", column, path(property))
}

// Number reads an unpromoted property as a number; NULL where it is absent or no number. A plain cast would fail the
// query on PostgreSQL and give 0 on SQLite.
func (d Dialect) Number(column, property string) string {
	if d.postgres {
		return fmt.Sprintf("CASE WHEN jsonb_typeof(%[1]s->%[2]s) = 'number' THEN (%[1]s->>%[2]s)::numeric END", column, quote(property))
	}
	return fmt.Sprintf("CASE WHEN json_type(%[1]s, %[2]s) IN ('integer', 'real') THEN %[1]s->>%[2]s END", column, path(property))
}

// Bool reads an unpromoted property as 1 or 0; NULL where it is absent or no boolean.
func (d Dialect) Bool(column, property string) string {
	if d.postgres {
		return fmt.Sprintf("CASE %s->%s WHEN 'true'::jsonb THEN 1 WHEN 'false'::jsonb THEN 0 END", column, quote(property))
	}
	return fmt.Sprintf("CASE json_type(%s, %s) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END", column, path(property))
}

// forShare keeps a row as it is until the transaction ends. SQLite has one writer, so it needs nothing.
func (d Dialect) forShare() string {
	if d.postgres {
		return " FOR SHARE"
	}
	return ""
}

// quote writes a text literal.
func quote(s string) string {
	out := make([]byte, 0, len(s)+2)
	out = append(out, '\'')
	for i := range len(s) {
		if s[i] == '\'' {
			out = append(out, '\'')
		}
		out = append(out, s[i])
	}
	return string(append(out, '\''))
}

// path quotes a property as a JSON path of SQLite, so that dots and brackets in names mean themselves. A quotation
// mark cannot be written there; no property of ours has one.
func path(property string) string { return quote(`$."` + property + `"`) }

// forUpdate ends a SELECT of rows that nobody else may lock before the transaction ends. SQLite has one writer, who
// has locked everything.
func (d Dialect) forUpdate() string {
	if d.postgres {
		return " FOR UPDATE"
	}
	return ""
}
