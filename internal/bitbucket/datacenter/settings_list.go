package datacenter

import (
	"context"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// setting is one list of settings.
type setting struct {
	listing
	list    string                      // its name, one of the constants of package bitbucket
	feature string                      // row of the table of rights
	title   string                      // for people, without the place
	skip    func(v bitbucket.JSON) bool // chooses elements that are listed elsewhere; nil for none
	// convert makes an object of one element; keep says whether the list is about it. Nil where the list makes none.
	convert func(v bitbucket.JSON, met *mentions) (o graph.Object, r *bitbucket.Record, ok, keep bool)
	// gather returns something new that collects what the list says about its place; nil where it says nothing.
	gather func() gatherer
	verb   string // of the relationships that gather collects
}

// gatherer collects what the elements of a list say about the place.
type gatherer interface {
	// add returns false where an element cannot be read.
	add(v bitbucket.JSON, met *mentions) (*bitbucket.Record, bool)
	say() (graph.Properties, []graph.Relationship)
}

// gathered is what one principal's pages brought. Each principal reads its own pages from the first to the last, so
// that what several gather must not be mixed.
type gathered struct {
	gatherer
	at   time.Time // when the first page was asked for
	lost bool
}

// settings makes the list of a place.
func (r resource) settings(s setting) bitbucket.Settings {
	right := bitbucket.RightOf(bitbucket.DataCenter, s.feature)
	title := s.title + " of " + r.title
	s.what, s.may = "the "+title, r.may
	return bitbucket.Settings{
		List: s.list, Title: title, Right: right,
		Pages: func(ctx context.Context, yield func(bitbucket.Page) error) error {
			return r.read(ctx, right, s, r.c.listingOf(s.listing), yield)
		},
	}
}

// read reads a list. What it says about the place comes after everything else, and only if all of it was read: before,
// it is not known that nobody else is a member.
func (r resource) read(ctx context.Context, right bitbucket.Right, s setting, l bitbucket.Listing, yield func(bitbucket.Page) error) error {
	met := newMentions(r.c.keys)
	all := map[string]*gathered{} // by principal
	last := ""
	l.Convert = func(values []bitbucket.JSON, out *bitbucket.Page) {
		g := all[out.Principal]
		if g == nil && s.gather != nil {
			g = &gathered{gatherer: s.gather(), at: out.RequestedAt}
			all[out.Principal] = g
		}
		last = out.Principal
		for i, v := range values {
			if s.skip == nil || !s.skip(v) {
				s.element(r, i, v, met, g, out)
			}
		}
		out.Met = met.take()
	}
	if err := r.c.core.ListFor(ctx, right, l, yield); err != nil {
		return err
	}
	g := all[last]
	if g == nil {
		return nil
	}
	props, edges := g.say()
	o := r.Restates(props, edges...)
	if g.lost {
		o.UnknownVerbs = []string{s.verb} // somebody who cannot be read may be one that is stored
	}
	return yield(bitbucket.Page{Objects: []graph.Object{o}, RequestedAt: g.at, Principal: last})
}

// element reads one element of a page.
func (s setting) element(r resource, i int, v bitbucket.JSON, met *mentions, g *gathered, out *bitbucket.Page) {
	if s.convert != nil {
		o, rec, ok, keep := s.convert(v, met)
		if !ok || keep {
			out.Note(s.what, i, o.Entity.Key, rec, ok)
		}
		if ok && keep {
			out.Objects = append(out.Objects, o)
		}
	}
	if g == nil {
		return
	}
	rec, ok := g.add(v, met)
	if s.convert == nil {
		out.Note(s.what, i, r.Key, rec, ok)
	}
	g.lost = g.lost || !ok
}

// all is the converter of a list that keeps all its elements.
func all(convert func(bitbucket.JSON, *mentions) (graph.Object, *bitbucket.Record, bool)) func(bitbucket.JSON, *mentions) (graph.Object, *bitbucket.Record, bool, bool) {
	return func(v bitbucket.JSON, met *mentions) (graph.Object, *bitbucket.Record, bool, bool) {
		o, r, ok := convert(v, met)
		return o, r, ok, true
	}
}
