package sandbox

import (
	"maps"
	"slices"
	"strconv"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Push is a push to one branch.
type Push struct {
	Repository string            `json:"repository"` // workspace/slug
	Branch     string            `json:"branch"`     // default: the main branch
	From       string            `json:"from"`       // where a new branch starts; default: the main branch
	Files      map[string]string `json:"files"`      // path to content; without any, one file is made up
	Remove     []string          `json:"remove"`     // paths to remove
	Message    string            `json:"message"`
	Author     string            `json:"author"` // see AddMember for how users are named; default: the first user
	Delete     bool              `json:"delete"` // delete the branch instead
	Force      bool              `json:"force"`  // drop what the branch has beyond From; default: its last commit
}

// Pushed is what a push did; a hash is "" where the branch did not exist.
type Pushed struct {
	Branch string `json:"branch"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// acts are what can happen to the repositories and pull requests of one product.
type acts struct {
	s  *Sandbox
	of func() *world
}

// Push commits to a branch as a push over git would; open pull requests from that branch follow.
func (a acts) Push(p Push) (Pushed, error) {
	var done Pushed
	err := a.change(p.Repository, func(x *edit) error {
		by, err := x.user(p.Author)
		if err != nil {
			return err
		}
		x.by = by
		if p.Branch == "" {
			p.Branch = x.repo.main
		}
		done.Branch = p.Branch
		before, exists := x.graph.branches[p.Branch]
		if exists {
			done.Before = before.String()
		}
		if p.Delete {
			if !exists {
				return fault.New(fault.NotFound, "%s has no branch %q", p.Repository, p.Branch)
			}
			if p.Branch == x.repo.main {
				return fault.New(fault.Conflict, "the default branch %q cannot be deleted", p.Branch).With("make another branch the default one first")
			}
			delete(x.graph.branches, p.Branch)
			return nil
		}
		if exists && p.Force {
			if before, err = x.rewound(p, before); err != nil {
				return err
			}
		}
		if !exists && !x.repo.empty {
			from := p.From
			if from == "" {
				from = x.repo.main
			}
			c := x.graph.resolve(from)
			if c == nil {
				return fault.New(fault.NotFound, "%s has no branch or commit %q", p.Repository, from)
			}
			before = c.hash
		}
		after := x.commitFiles(before, by, p)
		x.graph.branches[p.Branch] = after
		done.After = after.String()
		if x.repo.empty {
			x.repo.edit() // what is derived from the name of the main branch stays as it is
			x.repo.empty, x.repo.main = false, p.Branch
		}
		x.moved(p.Branch, after)
		return nil
	})
	return done, err
}

// rewound returns where a forced push starts from.
func (x *edit) rewound(p Push, head hash) (hash, error) {
	if p.From != "" {
		c := x.graph.resolve(p.From)
		if c == nil {
			return hash{}, fault.New(fault.NotFound, "%s has no branch or commit %q", p.Repository, p.From)
		}
		return c.hash, nil
	}
	if c := x.graph.get(head); c != nil && len(c.parents) > 0 {
		return c.parents[0], nil
	}
	return hash{}, nil
}

// edit is a change of one repository under the write lock.
type edit struct {
	s     *Sandbox
	repo  *repo
	graph *graph
	store *store
	at    int64
	by    *user    // whom hooks are told it was; nil: the administrator
	news  []func() // what hooks are told beside what was pushed
}

// change runs one change of a repository. The generated history is written out first, because it is derived from the
// pull requests as they were generated.
func (a acts) change(name string, do func(*edit) error) error {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := a.of().findRepo(name)
	if err != nil {
		return err
	}
	d, err := s.objects(r)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot write the git repository of %s", name)
	}
	x := &edit{s: s, repo: r, graph: r.ws.world.graph(r), store: &store{disk: d}, at: s.now()}
	before := maps.Clone(x.graph.branches)
	if err := do(x); err != nil {
		return err
	}
	r.edits++
	d.changed()
	if err := x.store.err; err != nil {
		return fault.Wrap(err, fault.Internal, "cannot write the git repository of %s", name)
	}
	r.updated = max(r.updated, x.at)
	for _, m := range moves(before, x.graph.branches, false) {
		s.tellPush(r, x.by, []refMove{m})
	}
	for _, tell := range x.news {
		tell()
	}
	return nil
}

// tell has hooks told what becomes of a pull request, once it has.
func (x *edit) tell(what happening, n news) {
	x.news = append(x.news, func() { x.s.tellPull(what, n) })
}

func (x *edit) user(name string) (*user, error) {
	w := x.repo.ws.world
	if name == "" {
		return w.users[0], nil
	}
	return w.findUser(name)
}

// commitFiles makes one commit on top of parent; the zero hash means a first commit.
func (x *edit) commitFiles(parent hash, by *user, p Push) hash {
	var tree hash
	var parents []hash
	if c := x.graph.get(parent); c != nil {
		tree, parents = c.tree, []hash{parent}
	}
	if len(p.Files) == 0 && len(p.Remove) == 0 {
		p.Files = map[string]string{"src/change.txt": "Change number " + strconv.FormatInt(x.at, 10) + ".\n"}
	}
	for _, path := range slices.Sorted(maps.Keys(p.Files)) {
		content := p.Files[path]
		tree = x.store.withFile(tree, path, &content)
	}
	for _, path := range p.Remove {
		tree = x.store.withFile(tree, path, nil)
	}
	if p.Message == "" {
		p.Message = "Change " + p.Branch
	}
	return x.commit(tree, parents, by, p.Message+"\n")
}

func (x *edit) commit(tree hash, parents []hash, by *user, message string) hash {
	c := commit{tree: tree, parents: parents, author: by.ident(), committer: by.ident(), at: x.at / second, done: x.at / second, message: message}
	c.hash = x.store.put(commitObject, appendCommit(nil, &c))
	x.graph.commit(c)
	return c.hash
}

// moved lets the open pull requests of a branch follow it.
func (x *edit) moved(branch string, to hash) {
	for _, n := range x.s.moved(x.repo, branch, to, x.by, x.at) {
		x.tell(prPushed, n)
	}
}

// moved lets the open pull requests of a branch follow it and returns what is to be told of them. The caller holds the
// write lock.
func (s *Sandbox) moved(r *repo, branch string, to hash, by *user, at int64) (all []news) {
	r.edits++
	for _, p := range r.prs {
		if p.state != open || p.source != r || p.srcBranch != branch {
			continue
		}
		all = append(all, newsOf(p, by))
		if p.firstHash == (hash{}) {
			p.firstHash = p.srcHash
		}
		p.srcHash, p.updated = to, at
		p.version++
		p.updates = append(p.updates, update{by: by, at: at, source: to})
	}
	return all
}

// mergeBase returns the newest commit that both sides have, or nil.
func (g *graph) mergeBase(a, b hash) *commit {
	ours := g.closure([]hash{a}, nil)
	for _, c := range g.reach([]hash{b}, nil) {
		if ours[g.at[c.hash]] {
			return c
		}
	}
	return nil
}
