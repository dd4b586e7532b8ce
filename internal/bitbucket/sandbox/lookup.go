package sandbox

import (
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// The control API names things as "workspace/slug" and "workspace/KEY"; ids in braces work as well.

func (w *world) findWorkspace(name string) (*workspace, error) {
	if ws := w.workspace(name); ws != nil {
		return ws, nil
	}
	return nil, fault.New(fault.NotFound, "there is no workspace %q", name)
}

func (w *world) findRepo(name string) (*repo, error) {
	space, slug, _ := strings.Cut(name, "/")
	ws, err := w.findWorkspace(space)
	if err != nil {
		return nil, err
	}
	if r := ws.find(slug); r != nil {
		return r, nil
	}
	return nil, fault.New(fault.NotFound, "there is no repository %q", name).With("write it as workspace/slug, on Data Center as KEY/slug")
}

func (w *world) findProject(name string) (*project, error) {
	space, key, _ := strings.Cut(name, "/")
	ws, err := w.findWorkspace(space)
	if err != nil {
		return nil, err
	}
	if p := ws.project(key); p != nil {
		return p, nil
	}
	return nil, fault.New(fault.NotFound, "there is no project %q", name).With("write it as workspace/KEY")
}

func (w *world) findPullRequest(name string, id int) (*pullRequest, error) {
	r, err := w.findRepo(name)
	if err != nil {
		return nil, err
	}
	if p, _ := r.pr(int32(id)); p != nil {
		return p, nil
	}
	return nil, fault.New(fault.NotFound, "there is no pull request %d in %s", id, name)
}

func (w *world) findUser(name string) (*user, error) {
	if u := w.user(name); u != nil {
		return u, nil
	}
	return nil, fault.New(fault.NotFound, "there is no user %q", name).With("use an id in braces, an account id, an e-mail address or a nickname that only one has")
}
