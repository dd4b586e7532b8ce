package datacenter

import (
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

const (
	branchPrefix = "refs/heads/"
	tagPrefix    = "refs/tags/"
)

// refsChanged reads a push: which branches and tags moved, and from where to where. Who else may have written the
// commits is met, where the instance knows them.
func (e *event) refsChanged() error {
	if _, err := e.about(e.body.repository); err != nil {
		return err
	}
	if !e.body.changes.IsArray() {
		return e.unfit("it has no list of changes")
	}
	told := e.commits()
	i := 0
	e.body.changes.Elements(func(v bitbucket.JSON) {
		r := bitbucket.NewRecord(0)
		push, ok, keep := readPush(v, r)
		if keep {
			e.out.Page.Note(e.what(), i, e.what(), r, ok)
		}
		i++
		if ok && keep {
			push.Truncated = !told.reach(push)
			e.out.Pushes = append(e.out.Pushes, push)
		}
	})
	return nil
}

// readPush reads one change. It keeps only what is a branch or a tag: pull requests have refs of their own (FACTS 157).
func readPush(v bitbucket.JSON, r *bitbucket.Record) (push bitbucket.RefChange, ok, keep bool) {
	c := readChange(v)
	at := readRef(c.ref)
	full, _ := at.id.Text()
	if full == "" {
		full, _ = c.refID.Text()
	}
	switch {
	case strings.HasPrefix(full, branchPrefix):
		push.Name = full[len(branchPrefix):]
	case strings.HasPrefix(full, tagPrefix):
		push.Tag, push.Name = true, full[len(tagPrefix):]
	case full != "":
		return push, true, false
	default:
		push.Name, _ = at.displayID.Text()
		kind, _ := bitbucket.Inner(c.ref, "type").Text()
		push.Tag = strings.EqualFold(kind, "TAG")
	}
	if push.Name == "" {
		r.Oddly("change", "about nothing that has a name")
		return push, false, true
	}
	kind, _ := c.kind.Text()
	var oldKnown, newKnown bool
	push.Old, oldKnown = readHash(c.from)
	push.New, newKnown = readHash(c.to)
	switch strings.ToUpper(kind) {
	case "ADD":
		push.Old, oldKnown = "", true
	case "DELETE":
		push.New, newKnown = "", true
	}
	if !oldKnown || !newKnown || push.Old == "" && push.New == "" {
		r.Oddly(push.Name, "changed from or to no commit")
		return push, false, true
	}
	return push, true, true
}

// readHash reads a hash; that of nothing consists of zeros.
func readHash(v bitbucket.JSON) (string, bool) {
	s, ok := v.Text()
	if !ok || len(s) < 40 || len(s) > 64 || strings.Trim(s, "0123456789abcdef") != "" {
		return "", false
	}
	if strings.Trim(s, "0") == "" {
		return "", true
	}
	return s, true
}

// told is what a body says of commits: the parents of each, nil where it does not say.
type told map[string][]string

// commits reads the newest few commits, which newer versions send along (FACTS 149).
func (e *event) commits() told {
	out := told{}
	read := func(v bitbucket.JSON) {
		c := readCommit(v)
		e.people.Meet(c.author)
		e.people.Meet(c.committer)
		id, ok := readHash(c.id)
		parents := []string{}
		isList := c.parents.Elements(func(p bitbucket.JSON) {
			if hash, ok := readHash(p.Get("id")); ok {
				parents = append(parents, hash)
			}
		})
		if ok && id != "" && isList {
			out[id] = parents
		}
	}
	e.body.commits.Elements(read)
	read(e.body.toCommit)
	return out
}

// reach reports whether the body tells all commits that came with a change: nothing but what was there before is left
// when the parents are followed.
func (t told) reach(c bitbucket.RefChange) bool {
	if c.New == "" || c.New == c.Old {
		return true
	}
	met := map[string]bool{c.New: true}
	for open := []string{c.New}; len(open) > 0; {
		at := open[len(open)-1]
		open = open[:len(open)-1]
		parents, known := t[at]
		if !known {
			return false
		}
		for _, p := range parents {
			if p != c.Old && !met[p] {
				met[p] = true
				open = append(open, p)
			}
		}
	}
	return true
}

// mirrored reads what a mirror tells when it is as new as its primary. The changes are those of pushes that the primary
// has told itself.
func (e *event) mirrored() error {
	if _, err := e.about(e.body.repository); err != nil {
		return err
	}
	if !e.body.mirror.IsObject() {
		return e.unfit("it names no mirror")
	}
	e.extra.Text("mirror", bitbucket.Inner(e.body.mirror, "name"))
	e.extra.Text("syncType", e.body.syncType)
	e.out.Ignore = "a mirror repeats what its primary has told"
	return nil
}
