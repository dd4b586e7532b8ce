package sandbox

import (
	"encoding/json"
	"errors"

	"github.com/windlass-hq/windlass/internal/fault"
)

// dcNaming carries the arguments of the acts on projects, repositories and users.
type dcNaming struct {
	Repository string `json:"repository"`
	Project    string `json:"project"`
	Name       string `json:"name"`
	Email      string `json:"email"`
	User       string `json:"user"`
	Key        string `json:"key"`
	Nickname   string `json:"nickname"`
	Branch     string `json:"branch"`
	Archived   bool   `json:"archived"`
	Public     bool   `json:"public"`
}

// dcCommands is the control API of the Data Center side, below /sandbox/.
func dcCommands() map[string]command {
	return map[string]command{
		"dc/push": with(func(s *Sandbox, a Push) (any, error) { return s.DataCenter().Push(a) }),
		"dc/open": with(func(s *Sandbox, a PullRequestSpec) (any, error) {
			id, err := s.DataCenter().OpenPullRequest(a)
			return named("id", id, err)
		}),
		"dc/approve": with(func(s *Sandbox, a target) (any, error) {
			return did(s.DataCenter().Approve(a.Repository, a.ID, a.User))
		}),
		"dc/unapprove": with(func(s *Sandbox, a target) (any, error) {
			return did(s.DataCenter().Unapprove(a.Repository, a.ID, a.User))
		}),
		"dc/needs-work": with(func(s *Sandbox, a target) (any, error) {
			return did(s.DataCenter().NeedsWork(a.Repository, a.ID, a.User))
		}),
		"dc/comment": with(func(s *Sandbox, a target) (any, error) {
			return did(s.DataCenter().Comment(a.Repository, a.ID, a.User))
		}),
		"dc/reopen": with(func(s *Sandbox, a target) (any, error) {
			return did(s.DataCenter().Reopen(a.Repository, a.ID, a.User))
		}),
		"dc/rename/project": with(func(s *Sandbox, a dcNaming) (any, error) {
			return did(s.DataCenter().RenameProject(a.Project, a.Name, a.Key))
		}),
		"dc/rename/user": with(func(s *Sandbox, a dcNaming) (any, error) {
			return did(s.DataCenter().RenameUser(a.User, a.Name, a.Nickname))
		}),
		"dc/default-branch": with(func(s *Sandbox, a dcNaming) (any, error) {
			return did(s.DataCenter().SetDefaultBranch(a.Repository, a.Branch))
		}),
		"dc/public": with(func(s *Sandbox, a dcNaming) (any, error) {
			return did(s.DataCenter().SetPublic(Place{Project: a.Project, Repository: a.Repository}, a.Public))
		}),
		"dc/merge": with(func(s *Sandbox, a target) (any, error) {
			h, err := s.DataCenter().Merge(a.Repository, a.ID, a.User)
			return named("hash", h, err)
		}),
		"dc/decline": with(func(s *Sandbox, a target) (any, error) {
			return did(s.DataCenter().Decline(a.Repository, a.ID, a.User, a.Reason))
		}),
		"dc/update": with(func(s *Sandbox, a PullRequestUpdate) (any, error) { return did(s.DataCenter().UpdatePullRequest(a)) }),
		"dc/delete/pull-request": with(func(s *Sandbox, a target) (any, error) {
			return did(s.DataCenter().DeletePullRequest(a.Repository, a.ID))
		}),
		"dc/create/project": with(func(s *Sandbox, a DCProjectSpec) (any, error) {
			id, err := s.DataCenter().CreateProject(a)
			return named("id", id, err)
		}),
		"dc/delete/project": with(func(s *Sandbox, a dcNaming) (any, error) { return did(s.DataCenter().DeleteProject(a.Project)) }),
		"dc/create/repository": with(func(s *Sandbox, a DCRepositorySpec) (any, error) {
			id, err := s.DataCenter().CreateRepository(a)
			return named("id", id, err)
		}),
		"dc/rename/repository": with(func(s *Sandbox, a dcNaming) (any, error) {
			return did(s.DataCenter().RenameRepository(a.Repository, a.Name))
		}),
		"dc/move/repository": with(func(s *Sandbox, a dcNaming) (any, error) {
			return did(s.DataCenter().MoveRepository(a.Repository, a.Project))
		}),
		"dc/archive/repository": with(func(s *Sandbox, a dcNaming) (any, error) {
			return did(s.DataCenter().ArchiveRepository(a.Repository, a.Archived))
		}),
		"dc/delete/repository": with(func(s *Sandbox, a dcNaming) (any, error) { return did(s.DataCenter().DeleteRepository(a.Repository)) }),
		"dc/create/user": with(func(s *Sandbox, a dcNaming) (any, error) {
			id, err := s.DataCenter().CreateUser(a.User, a.Name, a.Email)
			return named("id", id, err)
		}),
		"dc/delete/user": with(func(s *Sandbox, a dcNaming) (any, error) { return did(s.DataCenter().DeleteUser(a.User)) }),
		"dc/solve-captcha": with(func(s *Sandbox, a dcNaming) (any, error) {
			s.DataCenter().SolveCaptcha(a.User)
			return did(nil)
		}),
		"dc/credential/add":  with(func(s *Sandbox, a DCCredential) (any, error) { return did(s.DataCenter().AddCredential(a)) }),
		"dc/credential/edit": editDCCredential,
	}
}

// editDCCredential changes only the keys that are in the JSON; the name says which credential.
func editDCCredential(s *Sandbox, body []byte) (any, error) {
	var id struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(body, &id); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the arguments are no JSON object")
	}
	var bad error
	err := s.DataCenter().EditCredential(id.Name, func(c *DCCredential) { bad = decode(body, c) })
	return did(errors.Join(bad, err))
}
