package sandbox

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// importGit turns a local clone into one more repository of the workspace acme, in the project IMPORT. The rule, so
// that anybody can recompute it from `git log`:
//
//   - The repository is called as the clone's folder, without ".git"; its slug follows from the name. Its main branch
//     is HEAD's (a detached HEAD makes a branch "HEAD"); local branches and tags are taken over. It is private.
//   - "The history" is everything reachable from HEAD, in the order of `git log HEAD`.
//   - Users: one per distinct e-mail address, in lower case, of the authors (%ae), committers (%ce) and
//     "Co-authored-by: Name <address>" lines (key in any case, at the start of a line of the message) of the history.
//     A user's name is the one met first in the order of the history, and within a commit author (%an), committer
//     (%cn), co-authors from top to bottom: the name used most recently. An empty name is replaced by the address.
//     All of them are members of acme. created_on is the earliest author time of a commit that names them.
//   - Pull requests: walk HEAD's first parents to the root. Every commit with two or more parents is one merged pull
//     request; numbers ascend from 1, oldest first. Of the merge M with parents P1, P2, …:
//     title = M's subject (%s), description empty, author = author of P2, closed_by = committer of M,
//     source commit = P2, destination commit = P1, merge commit = M, created_on = author time of P2 (%at),
//     updated_on = committer time of M (%ct). The destination branch is HEAD's. The source branch is the quoted name
//     in "Merge branch 'x'" or "Merge remote-tracking branch 'x'", or the name after "from owner/" in
//     "Merge pull request #n from owner/x", or that in "Merged in x (pull request #n)", else "merge-" and the first
//     12 digits of P2. There are no reviewers or participants.
//   - A second parent that a shallow clone lacks has no author: the author is null then, and created_on is M's
//     author time.
func (s *Sandbox) importGit(ctx context.Context, path string) error {
	c, err := openClone(path)
	if err != nil {
		return err
	}
	root, err := s.folder()
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot make a folder for the import")
	}
	if c.branch == "" {
		c.branch = "HEAD"
	}
	g := derive(s.opts.Seed, streamControl, 0)
	r := &repo{index: 1 << 47, id: g.uuid(), name: c.name, slug: slugify(c.name), private: true, main: c.branch, nextPR: 1}
	d, err := c.mirror(filepath.Join(root, strings.Trim(r.id.String(), "{}")+".git"))
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot prepare the import of %s", path)
	}
	graph, history, err := d.importGraph(ctx, c)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "cannot read the history of %s", path)
	}
	s.enroll(r, graph, history)
	if err := d.saveRefs(r, graph); err != nil {
		return fault.Wrap(err, fault.Internal, "cannot prepare the import of %s", path)
	}
	r.history.graph.Store(graph)
	r.history.disk.Store(d)
	r.history.hashed.Store(true)
	return nil
}

// mirror makes a fresh bare repository that borrows the clone's objects.
func (c *clone) mirror(dir string) (*objects, error) {
	d, err := makeBare(dir, c.branch)
	if err != nil {
		return nil, err
	}
	if len(c.shallow) > 0 {
		if err := os.WriteFile(filepath.Join(dir, "shallow"), c.shallow, 0o600); err != nil {
			return nil, err
		}
	}
	objects := filepath.Join(c.common, "objects")
	return d, os.WriteFile(filepath.Join(dir, "objects", "info", "alternates"), []byte(objects+"\n"), 0o600)
}

// importGraph reads all commits: those of HEAD in the order of git log, and beside them what only other refs reach.
func (d *objects) importGraph(ctx context.Context, c *clone) (*graph, []logged, error) {
	history, err := d.readLog(ctx, []hash{c.head}, nil)
	if err != nil {
		return nil, nil, err
	}
	refs, err := d.peel(ctx, c.refs)
	if err != nil {
		return nil, nil, err
	}
	var others []logged
	if len(refs) > 0 {
		if others, err = d.readLog(ctx, slices.Collect(maps.Values(refs)), []hash{c.head}); err != nil {
			return nil, nil, err
		}
	}
	g := newGraph()
	for _, l := range slices.Backward(history) {
		g.commit(l.commit)
	}
	for _, l := range slices.Backward(others) {
		g.commit(l.commit)
	}
	for name, h := range refs {
		if branch, ok := strings.CutPrefix(name, "refs/heads/"); ok {
			g.branches[branch] = h
		} else {
			tag := strings.TrimPrefix(name, "refs/tags/")
			g.tags[tag] = h
			if c.refs[name] != h {
				g.objects[tag] = c.refs[name]
			}
		}
	}
	g.branches[c.branch] = c.head
	return g, history, nil
}

// peel finds the commits of branches and tags; refs whose objects are missing or that name no commit are left out.
func (d *objects) peel(ctx context.Context, refs map[string]hash) (map[string]hash, error) {
	var names []string
	var in strings.Builder
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		if strings.HasPrefix(name, "refs/heads/") || strings.HasPrefix(name, "refs/tags/") {
			names = append(names, name)
			fmt.Fprintf(&in, "%s^{commit}\n", refs[name])
		}
	}
	out, err := gitOutput(ctx, d.dir, strings.NewReader(in.String()), "cat-file", "--batch-check=%(objectname) %(objecttype)")
	if err != nil {
		return nil, err
	}
	found := map[string]hash{}
	i := 0
	for line := range strings.Lines(string(out)) {
		name, kind, _ := strings.Cut(strings.TrimSpace(line), " ")
		if h, ok := parseHash(name); ok && kind == "commit" && i < len(names) {
			found[names[i]] = h
		}
		i++
	}
	return found, nil
}

// enroll adds the repository, its people and its pull requests to the world.
func (s *Sandbox) enroll(r *repo, g *graph, history []logged) {
	w := s.world
	ws := w.workspaces[0]
	people := s.enrollPeople(ws, history)
	who := func(i ident) *user { return people[strings.ToLower(i.email)] }
	for i := range g.commits {
		c := &g.commits[i]
		c.author.user, c.committer.user = who(c.author), who(c.committer)
	}
	key := derive(s.opts.Seed, streamControl, 0, 1)
	p := &project{ws: ws, id: key.uuid(), key: "IMPORT", name: "Imported", private: true, desc: "Repositories imported from git."}
	ws.projects = append(ws.projects, p)
	w.projCount++
	if r.slug == "" {
		r.slug = "import"
	}
	for base, n := r.slug, 2; ws.bySlug[r.slug] != nil; n++ {
		r.slug = base + "-" + strconv.Itoa(n)
	}
	r.ws, r.project = ws, p
	for _, l := range history {
		r.updated = max(r.updated, l.done*second)
		if r.created == 0 || l.done*second < r.created {
			r.created = l.done * second
		}
	}
	p.created, p.updated = r.created, r.updated
	r.prs = mergesAsPullRequests(r, g, history)
	r.nextPR = int32(len(r.prs) + 1)
	ws.repos = append(ws.repos, r)
	slices.SortStableFunc(ws.repos, func(a, b *repo) int { return cmp.Compare(a.created, b.created) })
	ws.bySlug[r.slug] = r
	w.repoCount++
	w.prCount += len(r.prs)
}

// enrollPeople makes the users of a history, by address.
func (s *Sandbox) enrollPeople(ws *workspace, history []logged) map[string]*user {
	people := map[string]*user{}
	for _, u := range s.world.users {
		people[u.email] = u
	}
	meet := func(name, email string, at int64) {
		email = strings.ToLower(email)
		u := people[email]
		if u == nil {
			u = s.world.addUser(name, email, at)
			people[email] = u
			ws.members = append(ws.members, member{user: u})
		}
		u.created = min(u.created, at)
		if u.created == 0 {
			u.created = 1 // the year 1970 is a date, too
		}
	}
	for _, l := range history {
		meet(l.author.name, l.author.email, l.at*second)
		meet(l.committer.name, l.committer.email, l.at*second)
		for name, email := range coAuthors(l.message) {
			meet(name, email, l.at*second)
		}
	}
	return people
}

// mergesAsPullRequests makes the pull requests of the rule above.
func mergesAsPullRequests(r *repo, g *graph, history []logged) []*pullRequest {
	subjects := make(map[hash]string, len(history))
	for _, l := range history {
		subjects[l.hash] = l.subject
	}
	var merges []*commit
	for c := g.get(history[0].hash); c != nil; c = g.get(c.parents[0]) {
		if len(c.parents) >= 2 {
			merges = append(merges, c)
		}
		if len(c.parents) == 0 {
			break
		}
	}
	slices.Reverse(merges)
	prs := make([]*pullRequest, len(merges))
	for i, m := range merges {
		p := &pullRequest{
			repo: r, source: r, id: int32(i + 1), state: merged, title: subjects[m.hash], closedBy: m.committer.user,
			created: m.at * second, updated: m.done * second, closed: m.done * second, dstBranch: r.main,
			dstHash: m.parents[0], srcHash: m.parents[1], mergeHash: m.hash,
		}
		if tip := g.get(m.parents[1]); tip != nil {
			p.author, p.created = tip.author.user, tip.at*second
		}
		p.srcBranch = mergedBranch(p.title, p.srcHash)
		prs[i] = p
	}
	return prs
}
