package datacenter

import (
	"net/url"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// branches lists the default branch and those that a branch restriction is about. In the order of their names, since
// the order of changes moves while pages are read.
func (r resource) branches() bitbucket.Settings {
	protected := matchesAny(r.Patterns)
	there := map[string]bool{}
	list := r.settings(setting{
		list: bitbucket.ListBranches, feature: bitbucket.FeatureBranches, title: "branches",
		listing: listing{
			path:  "/api/latest" + r.path + "/branches",
			query: url.Values{"details": {"false"}, "orderBy": {"ALPHABETICAL"}},
		},
		convert: func(v bitbucket.JSON, _ *mentions) (graph.Object, *bitbucket.Record, bool, bool) {
			o, rec, ok, keep := r.convertBranch(v, protected)
			if ok && !keep {
				there[readBranch(v).name()] = true
			}
			return o, rec, ok, keep
		},
		gather: func() gatherer { return &defaultBranch{} },
	})
	list.Outside = func(e graph.Entity) bool { return there[e.Name] }
	return list
}

// convertBranch converts a branch; keep says whether it is the default one or a protected one.
func (r resource) convertBranch(j bitbucket.JSON, protected func(ref string) bool) (o graph.Object, rec *bitbucket.Record, ok, keep bool) {
	w := readBranch(j)
	name := w.name()
	if name == "" {
		return graph.Object{}, nil, false, true
	}
	is := protected("refs/heads/" + name)
	if main, _ := w.isDefault.Flag(); !main && !is {
		return graph.Object{}, nil, true, false
	}
	rec = bitbucket.NewRecord(8)
	rec.Props["name"] = name
	rec.Text("commit", w.latestCommit)
	rec.Flag("isDefault", w.isDefault)
	switch {
	case is:
		rec.Props["isProtected"] = true
	case r.PatternsKnown:
		rec.Props["isProtected"] = false
	default:
		rec.Props["isProtected"] = nil
	}
	e := r.entity(graph.TypeBranch, ":branch:"+name, name, rec, bitbucket.Scrub(j))
	return r.has(e), rec, true, true
}

// name returns the name of a branch without refs/heads/.
func (b branchRef) name() string {
	if full, _ := b.id.Text(); full != "" {
		return strings.TrimPrefix(full, "refs/heads/")
	}
	short, _ := b.displayID.Text()
	return short
}

// defaultBranch is the name of the default branch, which no list of repositories tells.
type defaultBranch struct{ name any }

func (d *defaultBranch) add(v bitbucket.JSON, _ *mentions) (*bitbucket.Record, bool) {
	b := readBranch(v)
	if is, _ := b.isDefault.Flag(); is && b.name() != "" {
		d.name = b.name()
	}
	return bitbucket.NewRecord(0), true
}

func (d *defaultBranch) say() (graph.Properties, []graph.Relationship) {
	return graph.Properties{"defaultBranch": d.name}, nil
}
