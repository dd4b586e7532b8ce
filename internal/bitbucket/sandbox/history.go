package sandbox

import (
	"cmp"
	"slices"
	"strconv"
)

// tip is the head of a branch while a history is being made.
type tip struct {
	hash  hash
	files snapshot
}

// change is what a pull request's branch did to the files.
type change struct {
	file int
	blob hash
}

// result is what the history made of a pull request.
type result struct {
	src, dst, merge hash
	changes         []change
}

// moment is when a pull request was opened or closed.
type moment struct {
	at     int64
	pr     *pullRequest
	closed bool
}

// writeHistory makes the generated commits of a repository: a few on the main branch, then for each pull request,
// in the order of time, those of its source branch and, where it was merged, the merge (or squash) commit. It is a
// pure function of the repository as generated, so it runs once for the hashes alone and again, with a sink, when
// the commits or the objects are wanted. It returns where branches and tags stand at the end.
//
// The caller holds r.history.mu and has not changed the repository's pull requests yet.
func (w *world) writeHistory(r *repo, out sink) (branches, tags map[string]hash) {
	branches, tags = map[string]hash{}, map[string]hash{}
	if r.empty {
		r.history.hashed.Store(true)
		return branches, tags
	}
	if r.forked != nil {
		return w.forkHistory(r, out)
	}
	g := derive(w.seed, streamGit, r.index)
	h := &historian{enc: encoder{out: out}, seed: g.next(), ext: extension(r.language), words: subjects(), out: out}
	heads := map[string]*tip{r.main: w.firstCommits(h, r, &g)}

	moments := make([]moment, 0, 2*len(r.prs))
	for _, p := range r.prs {
		moments = append(moments, moment{at: p.created, pr: p})
		if p.state != open {
			moments = append(moments, moment{at: p.closed, pr: p, closed: true})
		}
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return cmp.Compare(a.at, b.at) })

	// Generated pull requests are numbered without gaps, so the results have their place by number. They are given to
	// the pull requests the first time only: later calls may run beside readers.
	results := make([]result, len(r.prs))
	merges := 0
	for _, m := range moments {
		p, res := m.pr, &results[m.pr.id-1]
		head := heads[p.dstBranch]
		if head == nil {
			from := *heads[r.main]
			head = &from
			heads[p.dstBranch] = head
		}
		switch {
		case !m.closed:
			w.branchOff(h, p, head, res)
			if p.source == r && (p.state == open || p.keepSource) {
				branches[p.srcBranch] = res.src
			}
		case p.state == merged:
			w.mergeInto(h, p, head, res)
			if !p.closeSource && p.source == r {
				branches[p.srcBranch] = res.src
			}
			if merges++; merges%25 == 0 && p.dstBranch == r.main {
				tags["v0."+strconv.Itoa(merges/25)+".0"] = res.merge
			}
			res.changes = nil
		default:
			res.changes = nil
		}
	}
	for name, t := range heads {
		branches[name] = t.hash
	}
	if !r.history.hashed.Load() {
		for i, p := range r.prs {
			p.srcHash, p.dstHash, p.mergeHash = results[i].src, results[i].dst, results[i].merge
		}
		r.history.hashed.Store(true)
	}
	return branches, tags
}

// forkHistory gives a fork the commits of what it was made of, its main branch, and the branches from which pull
// requests come, unless they were closed with them.
func (w *world) forkHistory(r *repo, out sink) (branches, tags map[string]hash) {
	w.hashes(r.forked) // so that what follows only reads its pull requests
	all, tags := w.writeHistory(r.forked, out)
	branches = map[string]hash{r.main: all[r.forked.main]}
	for _, p := range r.forked.prs {
		if p.source == r && (p.state == open || !p.closeSource) {
			branches[p.srcBranch] = p.srcHash
		}
	}
	r.history.hashed.Store(true)
	return branches, tags
}

func (w *world) firstCommits(h *historian, r *repo, g *random) *tip {
	t := &tip{files: *h.begin()}
	at := r.created / second
	for i := range 1 + g.intn(4) {
		if i > 0 {
			f := g.intn(fileCount)
			h.set(&t.files, f, h.write(f, uint64(i)))
		}
		by := w.users[r.team[i%len(r.team)]].ident()
		c := &commit{tree: h.root(&t.files), author: by, committer: by, at: at, done: at, message: "Initial commit\n"}
		if i > 0 {
			c.parents = []hash{t.hash}
			c.message = "Set up " + subjects()[g.intn(10)] + "\n"
		}
		t.hash = h.record(c)
		at += g.span(60, 7200)
	}
	return t
}

// branchOff makes the commits of a pull request's source branch.
func (w *world) branchOff(h *historian, p *pullRequest, from *tip, res *result) {
	g := derive(w.seed, streamGit, p.repo.index, uint64(p.id))
	t := *from
	res.dst = from.hash
	n := 1 + g.skewed(4)
	by := p.author.ident()
	res.changes = make([]change, 0, n)
	for i := range n {
		f := g.intn(fileCount)
		blob := h.write(f, g.next())
		h.set(&t.files, f, blob)
		res.changes = append(res.changes, change{f, blob})
		at := (p.created - int64(n-i)*g.span(minute, 3*hour)) / second
		c := &commit{tree: h.root(&t.files), parents: []hash{t.hash}, author: by, committer: by, at: at, done: at}
		if i == 0 {
			c.message = p.title + "\n"
		} else {
			c.message = pick(&g, actions()) + " " + pick(&g, objectsOfWork()) + "\n"
		}
		t.hash = h.record(c)
	}
	res.src = t.hash
}

// mergeInto makes the commit that closes a merged pull request. Its destination is then the commit before it.
func (w *world) mergeInto(h *historian, p *pullRequest, head *tip, res *result) {
	for _, c := range res.changes {
		h.set(&head.files, c.file, c.blob)
	}
	by := p.author
	if p.closedBy != nil {
		by = p.closedBy
	}
	at := p.closed / second
	c := &commit{
		tree: h.root(&head.files), parents: []hash{head.hash}, author: by.ident(), committer: by.ident(), at: at, done: at,
		message: mergeMessage(p),
	}
	if !p.squash {
		c.parents = append(c.parents, res.src)
	}
	res.dst = head.hash
	head.hash = h.record(c)
	res.merge = head.hash
}

// mergeMessage is the text that Bitbucket proposes for a merge.
func mergeMessage(p *pullRequest) string {
	if p.repo.ws.world.instance {
		return "Pull request #" + strconv.Itoa(int(p.id)) + ": " + p.title + "\n\nMerge from " + p.srcBranch + " to " + p.dstBranch + "\n"
	}
	m := "Merged in " + p.srcBranch + " (pull request #" + strconv.Itoa(int(p.id)) + ")\n\n" + p.title + "\n"
	for i, x := range p.people {
		if x.verdict == approved {
			if i == 0 || m[len(m)-2] != '>' {
				m += "\n"
			}
			m += "Approved-by: " + x.user.name + " <" + x.user.email + ">\n"
		}
	}
	return m
}

// hashes makes sure that the hashes of a repository's pull requests are set. It may be called with the world locked
// for reading.
func (w *world) hashes(r *repo) {
	if r.history.hashed.Load() {
		return
	}
	r.history.mu.Lock()
	defer r.history.mu.Unlock()
	if !r.history.hashed.Load() {
		w.writeHistory(r, nil)
	}
}
