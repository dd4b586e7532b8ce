package sandbox

func (w *writer) commit(r *repo, c *commit, full bool) {
	h := c.hash.String()
	w.parts("type", "commit")
	w.hash("hash", c.hash, 40)
	w.time("date", c.at*second)
	w.author("author", "author", c.author)
	w.hidden = !full
	w.author("committer", "committer", c.committer)
	w.hidden = false
	w.str("message", c.message)
	w.markup("summary", c.message)
	if w.open("links") {
		self := w.api + "/repositories/" + r.ws.slug + "/" + r.slug
		w.link("self", self, "/commit/", h)
		w.link("html", w.site, "/", r.ws.slug, "/", r.slug, "/commits/", h)
		w.link("diff", self, "/diff/", h)
		w.link("patch", self, "/patch/", h)
		w.link("comments", self, "/commit/", h, "/comments")
		w.link("statuses", self, "/commit/", h, "/statuses")
		w.link("approve", self, "/commit/", h, "/approve")
		w.close()
	}
	if w.list("parents") {
		for _, p := range c.parents {
			w.item()
			w.parts("type", "commit")
			w.hash("hash", p, 40)
			if w.open("links") {
				w.link("self", w.api, "/repositories/", r.ws.slug, "/", r.slug, "/commit/", p.String())
				w.link("html", w.site, "/", r.ws.slug, "/", r.slug, "/commits/", p.String())
				w.close()
			}
			w.endItem()
		}
		w.endList()
	}
	w.repositoryUnder("repository", r)
}

// author writes who made a commit; a user only where the address belongs to an account.
func (w *writer) author(k, kind string, i ident) {
	if !w.open(k) {
		return
	}
	w.parts("type", kind)
	w.str("raw", i.raw())
	if i.user != nil && !i.user.gone {
		w.account("user", i.user)
	}
	w.close()
}

// ref is a branch or a tag.
type ref struct {
	name string
	tag  bool
	at   *commit
}

func (w *writer) ref(r *repo, f ref) {
	self := w.api + "/repositories/" + r.ws.slug + "/" + r.slug
	folder, page := "branches", "branch"
	if f.tag {
		folder, page = "tags", "tag"
		w.parts("type", "tag")
		w.null("message")
		w.null("date")
		w.null("tagger")
	} else {
		w.parts("type", "branch")
		w.raw("merge_strategies", `["merge_commit","squash","fast_forward","squash_fast_forward","rebase_fast_forward","rebase_merge"]`)
		w.parts("default_merge_strategy", "merge_commit")
	}
	w.str("name", f.name)
	if w.open("target") {
		w.commit(r, f.at, false)
		w.close()
	}
	if w.open("links") {
		name := escapePath(f.name)
		w.link("self", self, "/refs/", folder, "/", name)
		w.link("commits", self, "/commits/", name)
		w.link("html", w.site, "/", r.ws.slug, "/", r.slug, "/", page, "/", name)
		w.close()
	}
}
