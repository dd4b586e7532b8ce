package graph

import (
	"maps"
	"sort"
	"strings"
)

// Diff is the difference between two sets of properties: what went and what came. A changed property is in both.
type Diff struct {
	Old, New Properties
}

// Empty reports whether there is no difference.
func (d Diff) Empty() bool { return len(d.Old) == 0 && len(d.New) == 0 }

// Compare returns the difference that leads from old to the new properties. Both must be normalized and without nil.
func Compare(old, now Properties) Diff {
	var d Diff
	for k, v := range old {
		if w, ok := now[k]; !ok || !Equal(v, w) {
			if d.Old == nil {
				d.Old = Properties{}
			}
			d.Old[k] = v
		}
	}
	for k, w := range now {
		if v, ok := old[k]; !ok || !Equal(v, w) {
			if d.New == nil {
				d.New = Properties{}
			}
			d.New[k] = w
		}
	}
	return d
}

// Apply returns p with the difference applied: Apply(Compare(a, b)) on a gives b.
func (d Diff) Apply(p Properties) Properties {
	out := make(Properties, len(p)+len(d.New))
	for k, v := range p {
		if _, gone := d.Old[k]; !gone {
			out[k] = v
		}
	}
	maps.Copy(out, d.New)
	return out
}

// Only returns the part of the difference whose properties keep accepts.
func (d Diff) Only(keep func(name string) bool) Diff {
	return Diff{Old: d.Old.only(keep), New: d.New.only(keep)}
}

func (p Properties) only(keep func(string) bool) Properties {
	var out Properties
	for k, v := range p {
		if keep(k) {
			if out == nil {
				out = Properties{}
			}
			out[k] = v
		}
	}
	return out
}

// Merge returns the stored properties after a claim: an absent name leaves the stored value (unknown never
// overwrites known), a nil value removes it. Both must be normalized.
func Merge(stored, claim Properties) Properties {
	out := make(Properties, len(stored)+len(claim))
	maps.Copy(out, stored)
	for k, v := range claim {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	return out
}

// Normalized returns a copy of the object in canonical form: clean texts, normalized properties, verbs in upper
// case, relationships sorted and repeats of one key merged into its properties. Properties that drop accepts are left
// out (the derived ones, which are never stored). Raw is shared, not copied.
func (o Object) Normalized(drop func(property string) bool) Object {
	e := &o.Entity
	e.Key, e.Type, e.Name = CleanText(e.Key), CleanText(e.Type), CleanText(e.Name)
	e.Home, e.Repo, e.Project = CleanText(e.Home), CleanText(e.Repo), CleanText(e.Project)
	e.Properties = e.Properties.Normalized()
	for k := range e.Properties {
		if drop != nil && drop(k) {
			delete(e.Properties, k)
		}
	}
	rels := make([]Relationship, len(o.Relationships))
	for i, r := range o.Relationships {
		rels[i] = Relationship{
			From: CleanText(r.From), Verb: strings.ToUpper(CleanText(r.Verb)), To: CleanText(r.To),
			Properties: r.Properties.Normalized(),
		}
	}
	sort.SliceStable(rels, func(i, j int) bool { return lessRel(rels[i], rels[j]) })
	o.Relationships = rels[:0]
	for _, r := range rels {
		if n := len(o.Relationships); n > 0 && o.Relationships[n-1].Key() == r.Key() {
			maps.Copy(o.Relationships[n-1].Properties, r.Properties)
			continue
		}
		o.Relationships = append(o.Relationships, r)
	}
	verbs := make([]string, len(o.UnknownVerbs))
	for i, v := range o.UnknownVerbs {
		verbs[i] = strings.ToUpper(v)
	}
	o.UnknownVerbs = verbs
	return o
}
