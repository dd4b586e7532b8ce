package graph

import (
	"crypto/sha256"
	"encoding/binary"
	"sort"
	"strconv"
)

// canonicalVersion is part of every hash. Raising it makes the next run look at every object again, which is what a
// change of the canonical form or of how claims are merged asks for.
const canonicalVersion = "windlass/1\n"

// Canonical appends the bytes over which Hash runs: everything the object claims but the raw provider object, with
// relationships and properties in one order. Absent and nil properties differ, as they mean unknown and none.
func (o Object) Canonical(b []byte) []byte {
	e := o.Entity
	b = append(b, canonicalVersion...)
	for _, s := range [...]string{e.Key, e.Type, e.Name, e.Home, e.Repo, e.Project, string(e.Source)} {
		b = append(appendText(b, s), '\n')
	}
	b = append(strconv.AppendInt(b, e.Revision, 10), '\n')
	b = append(e.Properties.AppendJSON(b), '\n')
	rels := o.Relationships
	if !sort.SliceIsSorted(rels, func(i, j int) bool { return lessRel(rels[i], rels[j]) }) {
		rels = append([]Relationship(nil), rels...)
		sort.SliceStable(rels, func(i, j int) bool { return lessRel(rels[i], rels[j]) })
	}
	for _, r := range rels {
		b = append(appendText(b, r.Verb), ' ')
		b = append(appendText(b, r.From), ' ')
		b = append(appendText(b, r.To), ' ')
		b = append(r.Properties.AppendJSON(b), '\n')
	}
	verbs := append([]string(nil), o.UnknownVerbs...)
	sort.Strings(verbs)
	for _, v := range verbs {
		b = append(appendText(append(b, '?'), v), '\n')
	}
	return b
}

func lessRel(a, b Relationship) bool {
	switch {
	case a.Verb != b.Verb:
		return a.Verb < b.Verb
	case a.From != b.From:
		return a.From < b.From
	default:
		return a.To < b.To
	}
}

// Hash returns 64 bits over the canonical form of a normalized object, stable over processes and releases. It is
// never 0, which the store uses for "look at the next claim whatever it says".
func (o Object) Hash() int64 {
	var space [4096]byte
	sum := sha256.Sum256(o.Canonical(space[:0]))
	if h := int64(binary.BigEndian.Uint64(sum[:8])); h != 0 {
		return h
	}
	return 1
}
