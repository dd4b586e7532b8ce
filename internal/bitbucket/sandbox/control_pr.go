package sandbox

import (
	"slices"

	"github.com/windlass-hq/windlass/internal/fault"
)

// PullRequestSpec is a pull request to open.
type PullRequestSpec struct {
	Repository  string   `json:"repository"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Source      string   `json:"source"`      // branch; made with one commit when it does not exist
	Destination string   `json:"destination"` // default: the main branch
	Author      string   `json:"author"`
	Reviewers   []string `json:"reviewers"`
	Draft       bool     `json:"draft"`
	CloseSource bool     `json:"close_source_branch"`
}

// OpenPullRequest opens a pull request and returns its number.
func (a acts) OpenPullRequest(o PullRequestSpec) (int, error) {
	id := 0
	err := a.change(o.Repository, func(x *edit) error {
		by, err := x.user(o.Author)
		if err != nil {
			return err
		}
		r := x.repo
		x.by = by
		if o.Destination == "" {
			o.Destination = r.main
		}
		dst, ok := x.graph.branches[o.Destination]
		if !ok {
			return fault.New(fault.NotFound, "%s has no branch %q", o.Repository, o.Destination).With("push to it first")
		}
		if o.Source == "" || o.Source == o.Destination {
			return fault.New(fault.Invalid, "a pull request needs a source branch other than %q", o.Destination)
		}
		src, ok := x.graph.branches[o.Source]
		if !ok {
			src = x.commitFiles(dst, by, Push{Branch: o.Source, Message: o.Title})
			x.graph.branches[o.Source] = src
		}
		p := &pullRequest{
			repo: r, id: r.nextPR, draft: o.Draft, closeSource: o.CloseSource, author: by, created: x.at, updated: x.at, source: r,
			title: o.Title, desc: o.Description, srcBranch: o.Source, dstBranch: o.Destination, srcHash: src, dstHash: dst,
		}
		for _, name := range o.Reviewers {
			u, err := x.user(name)
			if err != nil {
				return err
			}
			if u != by && !slices.ContainsFunc(p.people, func(y participation) bool { return y.user == u }) {
				p.people = append(p.people, participation{user: u, reviewer: true})
			}
		}
		r.nextPR++
		r.prs = append(r.prs, p)
		r.ws.world.prCount++
		id = int(p.id)
		x.tell(prOpened, newsOf(p, by))
		return nil
	})
	return id, err
}

// Approve gives an approval on an open pull request; Unapprove and RequestChanges take it back or give another verdict.
func (a acts) Approve(repository string, id int, user string) error {
	return a.judge(repository, id, user, approved)
}

// Unapprove takes a verdict back.
func (a acts) Unapprove(repository string, id int, user string) error {
	return a.judge(repository, id, user, noVerdict)
}

// RequestChanges is the opposite of Approve.
func (a acts) RequestChanges(repository string, id int, user string) error {
	return a.judge(repository, id, user, changesRequested)
}

func (a acts) judge(repository string, id int, name string, v verdict) error {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := a.of().openPullRequest(repository, id)
	if err != nil {
		return err
	}
	u, err := a.of().findUser(name)
	if err != nil {
		return err
	}
	n := newsOf(p, u)
	n.verdict = v
	at := s.now()
	x := p.participant(u)
	x.verdict, x.on, x.at = v, at, at
	if v == noVerdict {
		x.at = 0
	}
	p.updated = at
	p.repo.edits++
	s.tellPull(prJudged, n)
	return nil
}

// openPullRequest finds one that can still change.
func (w *world) openPullRequest(repository string, id int) (*pullRequest, error) {
	p, err := w.findPullRequest(repository, id)
	if err != nil {
		return nil, err
	}
	if p.state != open {
		return nil, fault.New(fault.Conflict, "pull request %d of %s is %s", id, repository, p.state)
	}
	return p, nil
}

// Merge closes an open pull request with a merge commit and returns its hash.
func (a acts) Merge(repository string, id int, user string) (string, error) {
	name := ""
	err := a.change(repository, func(x *edit) error {
		p, by, err := x.closing(repository, id, user)
		if err != nil {
			return err
		}
		head, ok := x.graph.branches[p.dstBranch]
		if !ok {
			return fault.New(fault.Conflict, "the branch %q does not exist any more", p.dstBranch)
		}
		ours, theirs := x.graph.get(head), x.graph.get(p.srcHash)
		if ours == nil || theirs == nil {
			return fault.New(fault.Conflict, "the commits of pull request %d are not in %s", id, repository)
		}
		var base hash
		if c := x.graph.mergeBase(head, p.srcHash); c != nil {
			base = c.tree
		}
		tree := x.store.merged(base, ours.tree, theirs.tree)
		p.close(by, merged, x.at)
		p.dstHash = head
		p.mergeHash = x.commit(tree, []hash{head, p.srcHash}, by, mergeMessage(p))
		x.graph.branches[p.dstBranch] = p.mergeHash
		if p.closeSource && p.source == x.repo && p.srcBranch != x.repo.main {
			delete(x.graph.branches, p.srcBranch)
		}
		name = p.mergeHash.String()
		x.moved(p.dstBranch, p.mergeHash)
		x.tell(prMerged, newsOf(p, by))
		return nil
	})
	return name, err
}

// Decline closes an open pull request without merging it.
func (a acts) Decline(repository string, id int, user, reason string) error {
	return a.change(repository, func(x *edit) error {
		p, by, err := x.closing(repository, id, user)
		if err != nil {
			return err
		}
		p.close(by, declined, x.at)
		p.reason = reason
		x.tell(prDeclined, newsOf(p, by))
		return nil
	})
}

// closing finds an open pull request and who closes it; nothing is changed yet, because the merge may still fail.
func (x *edit) closing(repository string, id int, name string) (*pullRequest, *user, error) {
	p, err := x.repo.ws.world.openPullRequest(repository, id)
	if err != nil {
		return nil, nil, err
	}
	by, err := x.user(name)
	if err != nil {
		return nil, nil, err
	}
	x.by = by
	return p, by, nil
}

func (p *pullRequest) close(by *user, as state, at int64) {
	p.state, p.closedBy, p.closed, p.updated, p.draft = as, by, at, at, false
	p.version++
}

// PullRequestUpdate changes what is not nil.
type PullRequestUpdate struct {
	Repository  string    `json:"repository"`
	ID          int       `json:"id"`
	Title       *string   `json:"title"`
	Description *string   `json:"description"`
	Draft       *bool     `json:"draft"`
	Destination *string   `json:"destination"` // of an open one: another branch to merge into
	Reviewers   *[]string `json:"reviewers"`
}

// UpdatePullRequest edits a pull request in place.
func (a acts) UpdatePullRequest(o PullRequestUpdate) error {
	return a.change(o.Repository, func(x *edit) error {
		p, err := x.repo.ws.world.findPullRequest(o.Repository, o.ID)
		if err != nil {
			return err
		}
		x.by = p.author
		n := newsOf(p, p.author)
		if o.Destination != nil {
			if err := x.retarget(p, *o.Destination); err != nil {
				return err
			}
		}
		if o.Reviewers != nil {
			people := slices.DeleteFunc(slices.Clone(p.people), func(y participation) bool { return y.reviewer && y.on == 0 })
			for i := range people {
				people[i].reviewer = false
			}
			for _, name := range *o.Reviewers {
				u, err := x.user(name)
				if err != nil {
					return err
				}
				if i := slices.IndexFunc(people, func(y participation) bool { return y.user == u }); i >= 0 {
					people[i].reviewer = true
				} else {
					people = append(people, participation{user: u, reviewer: true})
				}
			}
			p.people = people
		}
		if o.Title != nil {
			p.title = *o.Title
		}
		if o.Description != nil {
			p.desc, p.noDesc = *o.Description, false
		}
		if o.Draft != nil {
			p.draft = *o.Draft && p.state == open
		}
		p.updated = x.at
		p.version++
		switch {
		case o.Title != nil || o.Description != nil || o.Draft != nil || o.Destination != nil:
			x.tell(prEdited, n)
			if o.Reviewers == nil || !x.repo.ws.world.instance {
				break
			}
			fallthrough
		default:
			x.tell(prReviewers, n)
		}
		return nil
	})
}

// DeletePullRequest removes a pull request as if it had never been; Bitbucket itself cannot, but support staff can.
func (a acts) DeletePullRequest(repository string, id int) error {
	return a.change(repository, func(x *edit) error {
		p, i := x.repo.pr(int32(id))
		if p == nil {
			return fault.New(fault.NotFound, "there is no pull request %d in %s", id, repository)
		}
		x.repo.prs = slices.Delete(slices.Clone(x.repo.prs), i, i+1)
		x.repo.ws.world.prCount--
		x.tell(prDeleted, newsOf(p, x.by))
		return nil
	})
}
