package cloud

import (
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// push reads which branches and tags moved (FACTS 95). A change that cannot be read must not look like a deletion or a
// creation: instead of it the branches of the repository are listed again.
func (d *delivery) push() error {
	if err := d.about(d.part("repository")); err != nil {
		return err
	}
	changes, unreadable := d.part("push").Get("changes"), ""
	if !changes.IsArray() {
		return d.unfit("its push has no list of changes")
	}
	changes.Elements(func(j bitbucket.JSON) {
		c, branch, problem := readChange(j)
		switch {
		case problem != "":
			unreadable = problem
		case branch:
			d.out.Pushes = append(d.out.Pushes, c)
		}
	})
	if unreadable != "" {
		d.out.Page.Odd = append(d.out.Page.Odd, bitbucket.Odd{Key: d.out.Repository, Problem: "a change of the push " + unreadable})
		d.out.Lists = append(d.out.Lists, bitbucket.List{Place: placeOf(d.out.Repo), Name: bitbucket.ListBranches})
	}
	return nil
}

// readChange reads one change of a push. It is no branch where it is about something that git does not have.
func readChange(j bitbucket.JSON) (c bitbucket.RefChange, branch bool, problem string) {
	from, to := j.Get("old"), j.Get("new")
	end := from // what is told of the ref: its state before where it is gone
	if !to.Null() {
		end = to
	}
	switch {
	case from.Missing() || to.Missing() || from.Null() && to.Null():
		return c, false, "does not say what was and what is"
	case !from.Null() && !from.IsObject(), !to.Null() && !to.IsObject():
		return c, false, "is of another kind than described"
	}
	c.Name = text(end, "name")
	if c.Name == "" {
		return c, false, "names no branch or tag"
	}
	switch text(end, "type") {
	case "tag", "annotated_tag":
		c.Tag = true
	case "branch", "named_branch":
	case "bookmark":
		return c, false, ""
	default:
		return c, false, "is about neither a branch nor a tag"
	}
	for _, side := range []struct {
		hash *string
		of   bitbucket.JSON
	}{{&c.Old, from}, {&c.New, to}} {
		if side.of.Null() {
			continue
		}
		if *side.hash = text(side.of, "target", "hash"); !isHash(*side.hash) {
			return c, false, "has no hash of a commit"
		}
	}
	c.Forced, _ = j.Get("forced").Flag()
	c.Truncated, _ = j.Get("truncated").Flag()
	return c, true, ""
}

// isHash reports whether a text is the hash of a commit, whole or shortened.
func isHash(s string) bool {
	if len(s) < 7 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return true
}

// placeOf returns a repository as a place of settings.
func placeOf(repo bitbucket.RepoRef) bitbucket.Place {
	p := bitbucket.Place{
		Type: graph.TypeRepo, Key: repo.Key, Name: repo.FullName, OwnerID: repo.WorkspaceUUID, OwnerSlug: repo.WorkspaceSlug,
		ID: repo.UUID, Project: repo.Project, Slug: repo.Slug, ProjectKey: repo.ProjectKey,
	}
	if repo.WorkspaceUUID != "" {
		p.Owner = thingKey(repo.WorkspaceUUID)
	}
	return p
}
