package graph_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/graph"
)

func scalars() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.Custom(func(t *rapid.T) any { return rapid.Bool().Draw(t, "bool") }),
		rapid.Custom(func(t *rapid.T) any { return rapid.Int64().Draw(t, "int") }),
		rapid.Custom(func(t *rapid.T) any { return rapid.Float64().Draw(t, "float") }),
		rapid.Custom(func(t *rapid.T) any { return rapid.String().Draw(t, "text") }),
		rapid.Custom(func(t *rapid.T) any { return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) }),
	)
}

func values() *rapid.Generator[any] {
	return rapid.OneOf(
		scalars(),
		rapid.Custom(func(t *rapid.T) any { return rapid.SliceOfN(scalars(), 0, 3).Draw(t, "list") }),
		rapid.Custom(func(t *rapid.T) any { return rapid.MapOfN(rapid.String(), scalars(), 0, 3).Draw(t, "object") }),
	)
}

func properties() *rapid.Generator[graph.Properties] {
	names := rapid.SampledFrom([]string{"a", "b", "c", "tag.AccountName", "täg", "", "q\"u\\o\nte"})
	return rapid.Custom(func(t *rapid.T) graph.Properties {
		return graph.Properties(rapid.MapOfN(names, values(), 0, 6).Draw(t, "properties")).Normalized()
	})
}

func TestDiffLeadsFromOneToTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := properties().Draw(t, "a"), properties().Draw(t, "b")
		d := graph.Compare(a, b)
		if got := d.Apply(a); !got.Equal(b) {
			t.Fatalf("applying the diff of a and b to a gave %v, want %v", got, b)
		}
		if got, want := d.Empty(), a.Equal(b); got != want {
			t.Fatalf("Empty = %v, want %v", got, want)
		}
	})
}

func TestCanonicalJSONReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := properties().Draw(t, "p")
		text := p.AppendJSON(nil)
		if !json.Valid(text) {
			t.Fatalf("%q is no JSON", text)
		}
		got, err := graph.ParseProperties(text)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Equal(p) {
			t.Fatalf("%q read back as %v, want %v", text, got, p)
		}
	})
}

func TestMergeKeepsUnknownAndRemovesNil(t *testing.T) {
	got := graph.Merge(graph.Properties{"keep": "x", "gone": "y", "new": int64(1)}, graph.Properties{"gone": nil, "new": int64(2), "never": nil})
	if diff := cmp.Diff(graph.Properties{"keep": "x", "new": int64(2)}, got); diff != "" {
		t.Errorf("Merge (-want +got):\n%s", diff)
	}
}

func TestNormalize(t *testing.T) {
	for _, c := range []struct {
		in, want any
		ok       bool
	}{
		{1.0, int64(1), true},
		{1.5, 1.5, true},
		{math.NaN(), nil, false},
		{math.Inf(1), nil, false},
		{int32(7), int64(7), true},
		{"a\x00b\xff", "a\uFFFDb\uFFFD", true},
		{[]string{"x"}, []any{"x"}, true},
		{json.Number("12345678901234567890"), 12345678901234567890.0, true},
		{struct{}{}, nil, false},
	} {
		got, ok := graph.Normalize(c.in)
		if ok != c.ok || !cmp.Equal(got, c.want) {
			t.Errorf("Normalize(%v) = %v, %v; want %v, %v", c.in, got, ok, c.want, c.ok)
		}
	}
}

func TestHashIgnoresOrderAndRaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := properties().Draw(t, "p")
		rels := []graph.Relationship{
			{From: "u1", Verb: "opened", To: "p"},
			{From: "u2", Verb: "APPROVED", To: "p", Properties: graph.Properties{"at": 5}},
			{From: "r", Verb: "HAS", To: "p"},
		}
		o := graph.Object{Entity: graph.Entity{Key: "k", Type: "t", Properties: p}, Relationships: rels}
		shuffled := o
		shuffled.Relationships = rapid.Permutation(rels).Draw(t, "order")
		shuffled.Entity.Raw = []byte("raw")
		a, b := o.Normalized(nil).Hash(), shuffled.Normalized(nil).Hash()
		if a != b {
			t.Fatalf("hashes differ: %x and %x", a, b)
		}
		if a == 0 {
			t.Fatal("hash is 0")
		}
		o.Entity.Name = "other"
		if o.Normalized(nil).Hash() == a {
			t.Fatal("another name has the same hash")
		}
	})
}

// TestHashIsTheSameInEveryRelease pins the canonical form: a change here makes every database look at every object
// again, and must come with a new canonicalVersion.
func TestHashIsTheSameInEveryRelease(t *testing.T) {
	o := graph.Object{
		Entity: graph.Entity{
			Key: "cloud:1", Type: "bitbucket_repo", Name: "größe", Home: "cloud:2", Revision: 7,
			Properties: graph.Properties{"size": 12, "public": false, "description": nil, "tags": []string{"a", "b"}, "ratio": 0.25},
		},
		Relationships: []graph.Relationship{{From: "cloud:2", Verb: "HAS", To: "cloud:1", Properties: graph.Properties{"x": true}}},
		UnknownVerbs:  []string{"ALLOWS"},
	}
	if got, want := o.Normalized(nil).Hash(), int64(-1437263166232001720); got != want {
		t.Errorf("Hash = %d, want %d", got, want)
	}
}

func TestNormalizedMergesRepeatsAndDropsDerived(t *testing.T) {
	o := graph.Object{
		Entity: graph.Entity{Key: "k", Properties: graph.Properties{"tag.AccountName": "x", "a": 1}},
		Relationships: []graph.Relationship{
			{From: "a", Verb: "has", To: "k", Properties: graph.Properties{"x": 1}},
			{From: "a", Verb: "HAS", To: "k", Properties: graph.Properties{"y": 2}},
		},
	}.Normalized(func(p string) bool { return p == "tag.AccountName" })
	want := []graph.Relationship{{From: "a", Verb: "HAS", To: "k", Properties: graph.Properties{"x": int64(1), "y": int64(2)}}}
	if diff := cmp.Diff(want, o.Relationships); diff != "" {
		t.Errorf("relationships (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(graph.Properties{"a": int64(1)}, o.Entity.Properties); diff != "" {
		t.Errorf("properties (-want +got):\n%s", diff)
	}
}
