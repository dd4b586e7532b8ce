package store

import (
	"database/sql"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/graph"
)

// TestJSONBIsWhatSQLiteReads compares our writer with SQLite itself: what it reads back is the canonical text, the
// blob is valid in its own strict judgement, and for plain texts it is byte for byte what SQLite makes of that text.
func TestJSONBIsWhatSQLiteReads(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	text := rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[a-z "\\\n]{0,20}`),
		rapid.Custom(func(r *rapid.T) string {
			return strings.Repeat("x", rapid.SampledFrom([]int{11, 12, 255, 256, 65535, 65536}).Draw(r, "length"))
		}),
	)
	scalar := rapid.OneOf(
		rapid.Just(any(nil)), rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Map(rapid.Int64(), func(i int64) any { return i }), rapid.Map(rapid.Float64(), func(f float64) any { return f }),
		rapid.Map(text, func(s string) any { return s }),
	)
	list := rapid.Map(rapid.SliceOfN(scalar, 0, 5), func(l []any) any { return l })
	object := rapid.Map(rapid.MapOfN(text, scalar, 0, 5), func(m map[string]any) any { return m })
	rapid.Check(t, func(r *rapid.T) {
		drawn := graph.Properties(rapid.MapOfN(text, rapid.OneOf(scalar, list, object), 0, 6).Draw(r, "properties"))
		p := drawn.Normalized()
		blob, ok := Dialect{}.json(p).([]byte)
		if !ok {
			r.Fatal("no blob")
		}
		var valid bool
		var back string
		if err := db.QueryRow("SELECT json_valid($1, 8), json($1)", blob).Scan(&valid, &back); err != nil {
			r.Fatal(err)
		}
		if !valid {
			r.Fatalf("SQLite finds the JSONB of %v malformed", p)
		}
		got, err := graph.ParseProperties([]byte(back))
		if err != nil {
			r.Fatal(err)
		}
		if !got.Equal(p) {
			r.Fatalf("SQLite reads %s, want %s", back, p.AppendJSON(nil))
		}
	})
	const plain = `{"a":1,"b":[true,false,null,"x"],"c":{"d":"` + "long enough for a header of its own" + `","e":1.5}}`
	var want []byte
	if err := db.QueryRow("SELECT jsonb($1)", plain).Scan(&want); err != nil {
		t.Fatal(err)
	}
	p, err := graph.ParseProperties([]byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := (Dialect{}).json(p).([]byte); !ok || string(got) != string(want) {
		t.Errorf("JSONB = %x, want %x", got, want)
	}
}
