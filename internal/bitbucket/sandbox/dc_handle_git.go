package sandbox

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

func (w *writer) dcRef(x ref, main string) {
	kind, prefix := "BRANCH", "refs/heads/"
	if x.tag {
		kind, prefix = "TAG", "refs/tags/"
	}
	w.buf = append(w.buf, '{')
	w.str("id", prefix+x.name)
	w.str("displayId", x.name)
	w.parts("type", kind)
	w.hash("latestCommit", x.at.hash, 40)
	w.hash("latestChangeset", x.at.hash, 40)
	if !x.tag {
		w.boolean("isDefault", x.name == main)
	}
	w.buf = append(w.buf, '}')
}

// dcRefs lists branches or tags, the one with the newest commit first unless orderBy says ALPHABETICAL.
func (c *call) dcRefs(tags bool) *failure {
	r, f := c.dcRepositoryOf()
	if f != nil {
		return f
	}
	g := c.dc.world.graph(r)
	all := g.refs(!tags, tags)
	if text := c.query.Get("filterText"); text != "" {
		all = slices.DeleteFunc(all, func(x ref) bool { return !matches(text, x.name) })
	}
	switch order := c.query.Get("orderBy"); order {
	case "ALPHABETICAL":
	case "", "MODIFICATION":
		slices.SortStableFunc(all, func(a, b ref) int { return cmp.Compare(b.at.done, a.at.done) })
	default:
		return dcFailAbout(http.StatusBadRequest, "orderBy", order+" is not a valid order.", dcBadArgument)
	}
	w := c.out
	return dcRespond(c, dcManyItems, all, nil, func(x ref) {
		w.dcRef(x, r.main)
		if tags {
			w.buf = w.buf[:len(w.buf)-1]
			if object, ok := g.objects[x.name]; ok {
				w.hash("hash", object, 40)
			} else {
				w.null("hash")
			}
			w.buf = append(w.buf, '}')
		}
	})
}

func (c *call) dcBranches() *failure { return c.dcRefs(false) }
func (c *call) dcTags() *failure     { return c.dcRefs(true) }

// noDefaultBranch is the answer of an empty repository.
func noDefaultBranch(r *repo) *failure {
	return dcFail(http.StatusNotFound, "refs/heads/"+r.main+" is set as the default branch, but this branch does not exist", dcNoBranch)
}

func (c *call) dcDefaultBranch() *failure {
	r, f := c.dcRepositoryOf()
	if f != nil {
		return f
	}
	if r.empty {
		return noDefaultBranch(r)
	}
	w := c.out
	w.root(func() {
		w.str("id", "refs/heads/"+r.main)
		w.str("displayId", r.main)
		w.parts("type", "BRANCH")
	})
	return nil
}

// dcOldDefaultBranch is the deprecated form, which has nothing to say about an empty repository.
func (c *call) dcOldDefaultBranch() *failure {
	r, f := c.dcRepositoryOf()
	if f != nil {
		return f
	}
	at, ok := c.dc.world.graph(r).branches[r.main]
	if !ok {
		c.status = http.StatusNoContent
		return nil
	}
	c.out.dcRef(ref{name: r.main, at: c.dc.world.graph(r).get(at)}, r.main)
	return nil
}

func (w *writer) dcCommit(k *commit) {
	w.buf = append(w.buf, '{')
	w.hash("id", k.hash, 40)
	w.hash("displayId", k.hash, 11)
	w.dcIdent("author", k.author)
	w.dcStamp("authorTimestamp", k.at)
	w.dcIdent("committer", k.committer)
	w.dcStamp("committerTimestamp", k.done)
	w.str("message", strings.TrimRight(k.message, "\n"))
	w.text(`,"parents":[`)
	for _, p := range k.parents {
		w.comma()
		w.buf = append(w.buf, '{')
		w.hash("id", p, 40)
		w.hash("displayId", p, 11)
		w.buf = append(w.buf, '}')
	}
	w.text("]}")
}

// dcIdent writes the account where the address belongs to one, else what git says.
func (w *writer) dcIdent(k string, i ident) {
	w.text(`,"`, k, `":`)
	if i.user != nil && !i.user.gone {
		w.dcUser(i.user)
		return
	}
	w.buf = append(w.buf, '{')
	w.str("name", i.name)
	w.str("emailAddress", i.email)
	w.buf = append(w.buf, '}')
}

// resolveDC finds a commit by hash, branch or tag, also in the full form.
func (c *call) resolveDC(g *graph, name string) (*commit, *failure) {
	bare := strings.TrimPrefix(strings.TrimPrefix(name, "refs/heads/"), "refs/tags/")
	if k := g.resolve(bare); k != nil {
		return k, nil
	}
	return nil, dcFail(http.StatusNotFound, "Commit '"+name+"' does not exist in this repository.", dcNoCommit)
}

// dcCommits lists what is reachable from until (default: the default branch) and not from since (FACTS 135).
func (c *call) dcCommits() *failure {
	r, f := c.dcRepositoryOf()
	if f != nil {
		return f
	}
	g := c.dc.world.graph(r)
	var without []hash
	if name := c.query.Get("since"); name != "" {
		k, f := c.resolveDC(g, name)
		if f != nil {
			return f
		}
		without = []hash{k.hash}
	}
	var from []hash
	if name := c.query.Get("until"); name != "" {
		k, f := c.resolveDC(g, name)
		if f != nil {
			return f
		}
		from = []hash{k.hash}
	} else if at, ok := g.branches[r.main]; ok {
		from = []hash{at}
	} else {
		return noDefaultBranch(r)
	}
	list := g.reach(from, without)
	switch merges := c.query.Get("merges"); merges {
	case "", "include":
	case "exclude", "only":
		list = slices.DeleteFunc(list, func(k *commit) bool { return len(k.parents) > 1 == (merges == "exclude") })
	default:
		return dcFailAbout(http.StatusBadRequest, "merges", merges+" is not valid.", dcBadArgument)
	}
	return dcRespond(c, dcManyItems, list, nil, c.out.dcCommit)
}

func (c *call) dcCommitOne() *failure {
	r, f := c.dcRepositoryOf()
	if f != nil {
		return f
	}
	k, f := c.resolveDC(c.dc.world.graph(r), c.args[2])
	if f != nil {
		return f
	}
	c.out.dcCommit(k)
	return nil
}

func (c *call) dcPullRequestCommits() *failure {
	p, f := c.dcPullRequestOf()
	if f != nil {
		return f
	}
	g := c.dc.world.graph(p.repo)
	return dcRespond(c, dcManyItems, g.reach([]hash{p.srcHash}, []hash{p.dstHash}), nil, c.out.dcCommit)
}
