package cloud

import (
	"cmp"
	"maps"
	"slices"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// repositoryChanged reads that a repository came, went or changed. The body has only its short form (FACTS 96), and
// that it is gone must not be believed of a webhook alone, so it is read from Bitbucket.
func (d *delivery) repositoryChanged() error {
	if err := d.about(d.part("repository")); err != nil {
		return err
	}
	d.out.Fetch = append(d.out.Fetch, refOf(d.out.Repo))
	changes := d.part("changes")
	d.changed(changes)
	d.extra("previousFullName", text(changes, "full_name", "old"))
	d.happened(changes.Get("updated_on", "new"))
	if d.key == eventRepoCreated {
		d.happened(d.part("repository").Get("created_on"))
	}
	return nil
}

// changed keeps which fields changed, in order, and what the name was before.
func (d *delivery) changed(changes bitbucket.JSON) {
	fields := map[string]bool{}
	changes.Each(func(key []byte, _ bitbucket.JSON) { fields[bitbucket.MaskSecrets(string(key))] = true })
	if len(fields) == 0 {
		return
	}
	d.extra("changed", boxed(slices.Sorted(maps.Keys(fields))))
	d.extra("previousName", text(changes, "name", "old"))
}

// transferred reads that a repository went to another workspace; the body has it as it is there.
func (d *delivery) transferred() error {
	if err := d.repositoryChanged(); err != nil {
		return err
	}
	for _, name := range []string{"previous_workspace", "previous_owner"} {
		if id, ok := readUUID(d.part(name).Get("uuid")); ok {
			d.extra("previousAccount", thingKey(id))
			return nil
		}
	}
	return nil
}

// forked reads that there is a new repository. Where it lies in the workspace that the event is about it is read; a
// fork elsewhere is nobody's concern here.
func (d *delivery) forked() error {
	if err := d.about(d.part("repository")); err != nil {
		return err
	}
	fork, ok := readRepoRef(d.part("fork"))
	if !ok {
		return d.unfit("its fork has no UUID")
	}
	d.extra("fork", fork.Key)
	d.happened(d.part("fork").Get("created_on"))
	here := fork.WorkspaceSlug == d.out.Repo.WorkspaceSlug
	if fork.WorkspaceUUID != "" && d.out.Repo.WorkspaceUUID != "" {
		here = fork.WorkspaceUUID == d.out.Repo.WorkspaceUUID
	}
	if !here {
		d.out.Ignore = "the fork lies in another workspace"
		return nil
	}
	d.out.Fetch = append(d.out.Fetch, refOf(fork))
	return nil
}

// project reads that a project changed.
func (d *delivery) project() error {
	j := d.part("project")
	id, ok := readUUID(j.Get("uuid"))
	if !ok {
		return d.unfit("its project has no UUID")
	}
	ref := bitbucket.Ref{Type: graph.TypeProject, Key: thingKey(id), Project: text(j, "key"), Name: text(j, "name")}
	d.out.Project = ref.Key
	for _, owner := range []bitbucket.JSON{j.Get("workspace"), d.part("workspace"), j.Get("owner")} {
		if id, ok := readUUID(bitbucket.Inner(owner, "uuid")); ok && text(owner, "type") != "user" {
			d.out.Account, ref.Workspace = thingKey(id), id
			break
		}
		ref.Workspace = cmp.Or(ref.Workspace, text(owner, "slug"))
	}
	d.out.Fetch = append(d.out.Fetch, ref)
	changes := d.part("changes")
	d.changed(changes)
	d.extra("previousKey", text(changes, "key", "old"))
	d.happened(changes.Get("updated_on", "new"), j.Get("updated_on"))
	return nil
}
