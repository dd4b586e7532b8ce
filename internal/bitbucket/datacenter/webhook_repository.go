package datacenter

import (
	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// listRepositories names the list of the repositories of a project.
const listRepositories = "repositories"

// repositoryModified reads that a repository was renamed, moved to another project, or changed otherwise. It is read
// again, since the body has only its short form; the numbers of both forms must be the same.
func (e *event) repositoryModified() error {
	was, _, known := e.keys.convertRepository(e.body.before)
	now, err := e.about(e.body.after)
	switch {
	case err != nil:
		return err
	case known && was.ref.Key != now.Key:
		return e.unfit("it is about two repositories")
	}
	e.fetch(now)
	if !known {
		return nil
	}
	note := func(name, before, after string) {
		if before != "" && before != after {
			e.extra.Props[name] = before
		}
	}
	note("previousName", was.ref.Name, now.Name)
	note("previousSlug", was.ref.Slug, now.Slug)
	note("previousProject", was.ref.ProjectKey, now.ProjectKey)
	note("previousProjectKey", was.ref.Project, now.Project)
	return nil
}

// forked reads that a repository was forked. The event is about the one it was made of, whose hook sends it, and the fork
// is read; where the origin is not told, it is about the fork itself.
func (e *event) forked() error {
	fork, err := e.about(e.body.repository)
	if err != nil {
		return err
	}
	e.fetch(fork)
	if origin := bitbucket.Inner(e.body.repository, "origin"); origin.IsObject() {
		if _, err := e.about(origin); err != nil {
			return err
		}
	}
	e.extra.Props["fork"] = fork.Key
	return nil
}

// projectModified reads that a project was renamed or changed. A new key is part of the paths of all its repositories,
// so that they are listed again.
func (e *event) projectModified() error {
	now, rec, ok := e.keys.convertProject(e.body.after)
	if !ok {
		return e.unfit("it names no project with an id")
	}
	was, before, known := e.keys.convertProject(e.body.before)
	if known && was.Entity.Key != now.Entity.Key {
		return e.unfit("it is about two projects")
	}
	key, _ := rec.Props["key"].(string)
	e.out.Account, e.out.Project = e.keys.instance(), now.Entity.Key
	e.out.Fetch = append(e.out.Fetch, bitbucket.Ref{Type: graph.TypeProject, Key: now.Entity.Key, Project: key, Name: now.Entity.Name})
	if !known {
		return nil
	}
	if name, _ := before.Props["name"].(string); name != "" && name != now.Entity.Name {
		e.extra.Props["previousName"] = name
	}
	if old, _ := before.Props["key"].(string); old != "" && key != "" && old != key {
		e.extra.Props["previousKey"] = old
		id, _ := rec.Props["id"].(string)
		e.out.Lists = append(e.out.Lists, bitbucket.List{Name: listRepositories, Place: bitbucket.Place{
			Type: graph.TypeProject, Key: now.Entity.Key, Name: key, Owner: e.keys.instance(), OwnerID: e.keys.iid, ID: id, Project: key,
		}})
	}
	return nil
}

// commitComment reads a comment on a commit.
func (e *event) commitComment() error {
	if _, err := e.about(e.body.repository); err != nil {
		return err
	}
	if err := e.remark(); err != nil {
		return err
	}
	e.extra.Text("commit", e.body.commit)
	e.out.Ignore = "comments on commits are not kept"
	return nil
}

// secretDetected reads where the instance found secrets in what was pushed. What they are no body says.
func (e *event) secretDetected() error {
	if !e.body.secrets.IsArray() {
		return e.unfit("it has no list of places")
	}
	repository := e.body.repository
	var places []any
	e.body.secrets.Elements(func(v bitbucket.JSON) {
		l := readLeak(v)
		r := bitbucket.NewRecord(4)
		r.Text("commit", l.commit)
		r.Text("path", l.path)
		r.Number("line", l.line)
		r.Text("rule", l.rule)
		places = append(places, map[string]any(r.Props))
		if !repository.IsObject() {
			repository = l.repository
		}
	})
	if _, err := e.about(repository); err != nil {
		return err
	}
	if places != nil {
		e.extra.Props["secretLocations"] = places
	}
	e.out.Ignore = "secrets that Bitbucket finds are not kept yet"
	return nil
}
