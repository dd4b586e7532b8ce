package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// target names a pull request and who acts on it.
type target struct {
	Repository string `json:"repository"`
	ID         int    `json:"id"`
	User       string `json:"user"`
	Reason     string `json:"reason"`
}

// naming carries the arguments of the acts on repositories, projects, users and members.
type naming struct {
	Repository string `json:"repository"`
	Workspace  string `json:"workspace"`
	Project    string `json:"project"`
	Key        string `json:"key"`
	Name       string `json:"name"`
	Email      string `json:"email"`
	User       string `json:"user"`
	Nickname   string `json:"nickname"`
	Branch     string `json:"branch"`
	Admin      bool   `json:"admin"`
	Public     bool   `json:"public"`
	ID         int    `json:"id"`
}

// command runs one act with its JSON arguments and returns what is answered.
type command func(s *Sandbox, body []byte) (any, error)

// with decodes arguments strictly: a misspelt key is an error.
func with[T any](do func(*Sandbox, T) (any, error)) command {
	return func(s *Sandbox, body []byte) (any, error) {
		var args T
		if err := decode(body, &args); err != nil {
			return nil, err
		}
		return do(s, args)
	}
}

type done struct {
	OK bool `json:"ok"`
}

func did(err error) (any, error) { return done{err == nil}, err }

func named(key string, value any, err error) (any, error) { return map[string]any{key: value}, err }

// commands is the table of the control API.
func commands() map[string]command {
	return map[string]command{
		"push": with(func(s *Sandbox, a Push) (any, error) { return s.Push(a) }),
		"open": with(func(s *Sandbox, a PullRequestSpec) (any, error) {
			id, err := s.OpenPullRequest(a)
			return named("id", id, err)
		}),
		"approve":         with(func(s *Sandbox, a target) (any, error) { return did(s.Approve(a.Repository, a.ID, a.User)) }),
		"unapprove":       with(func(s *Sandbox, a target) (any, error) { return did(s.Unapprove(a.Repository, a.ID, a.User)) }),
		"request-changes": with(func(s *Sandbox, a target) (any, error) { return did(s.RequestChanges(a.Repository, a.ID, a.User)) }),
		"merge": with(func(s *Sandbox, a target) (any, error) {
			h, err := s.Merge(a.Repository, a.ID, a.User)
			return named("hash", h, err)
		}),
		"decline":             with(func(s *Sandbox, a target) (any, error) { return did(s.Decline(a.Repository, a.ID, a.User, a.Reason)) }),
		"update":              with(func(s *Sandbox, a PullRequestUpdate) (any, error) { return did(s.UpdatePullRequest(a)) }),
		"delete/pull-request": with(func(s *Sandbox, a target) (any, error) { return did(s.DeletePullRequest(a.Repository, a.ID)) }),
		"delete/repository":   with(func(s *Sandbox, a naming) (any, error) { return did(s.DeleteRepository(a.Repository)) }),
		"delete/project":      with(func(s *Sandbox, a naming) (any, error) { return did(s.DeleteProject(a.Project)) }),
		"delete/user":         with(func(s *Sandbox, a naming) (any, error) { return did(s.DeleteUser(a.User)) }),
		"create/repository": with(func(s *Sandbox, a RepositorySpec) (any, error) {
			id, err := s.CreateRepository(a)
			return named("uuid", id, err)
		}),
		"create/project": with(func(s *Sandbox, a naming) (any, error) {
			id, err := s.CreateProject(a.Workspace, a.Key, a.Name)
			return named("uuid", id, err)
		}),
		"create/user": with(func(s *Sandbox, a naming) (any, error) {
			id, err := s.CreateUser(a.Name, a.Email)
			return named("uuid", id, err)
		}),
		"rename/repository": with(func(s *Sandbox, a naming) (any, error) { return did(s.RenameRepository(a.Repository, a.Name)) }),
		"rename/project":    with(func(s *Sandbox, a naming) (any, error) { return did(s.RenameProject(a.Project, a.Name, a.Key)) }),
		"rename/user":       with(func(s *Sandbox, a naming) (any, error) { return did(s.RenameUser(a.User, a.Name, a.Nickname)) }),
		"move/repository":   with(func(s *Sandbox, a naming) (any, error) { return did(s.MoveRepository(a.Repository, a.Key)) }),
		"comment":           with(func(s *Sandbox, a target) (any, error) { return did(s.Comment(a.Repository, a.ID, a.User)) }),
		"default-branch":    with(func(s *Sandbox, a naming) (any, error) { return did(s.SetDefaultBranch(a.Repository, a.Branch)) }),
		"public": with(func(s *Sandbox, a naming) (any, error) {
			return did(s.SetPublic(Place{Project: a.Project, Repository: a.Repository}, a.Public))
		}),
		"clock":           setClock,
		"webhooks":        setWebhooks,
		"day":             with(playDay),
		"member/add":      with(func(s *Sandbox, a naming) (any, error) { return did(s.AddMember(a.Workspace, a.User, a.Admin)) }),
		"member/remove":   with(func(s *Sandbox, a naming) (any, error) { return did(s.RemoveMember(a.Workspace, a.User)) }),
		"credential/add":  with(func(s *Sandbox, a Credential) (any, error) { return did(s.AddCredential(a)) }),
		"credential/edit": editCredential,
		"credential/expire-tokens": with(func(s *Sandbox, a naming) (any, error) {
			s.ExpireTokens(a.Name)
			return did(nil)
		}),
		"ssh-keys":        with(func(s *Sandbox, a SSHKey) (any, error) { return did(s.AddSSHKey(a)) }),
		"ssh-keys/remove": with(func(s *Sandbox, a naming) (any, error) { return did(s.RemoveSSHKey(a.Name)) }),
		"fault/add": with(func(s *Sandbox, a Fault) (any, error) {
			id, err := s.AddFault(a)
			return named("id", id, err)
		}),
		"fault/remove": with(func(s *Sandbox, a naming) (any, error) { return named("hit", s.RemoveFault(a.ID), nil) }),
		"fault/clear": func(s *Sandbox, _ []byte) (any, error) {
			s.ClearFaults()
			return did(nil)
		},
	}
}

// playDay answers the acts of a day.
func playDay(s *Sandbox, o DayOptions) (any, error) {
	done, err := s.Day(o)
	return named("acts", done, err)
}

// setWebhooks changes only the keys that are in the JSON.
func setWebhooks(s *Sandbox, body []byte) (any, error) {
	s.courier.mu.Lock()
	w := s.courier.how
	s.courier.mu.Unlock()
	if err := decode(body, &w); err != nil {
		return nil, err
	}
	return did(s.SetWebhooks(w))
}

// setClock takes {"skew": "3m"}, "-3m" to be behind.
func setClock(s *Sandbox, body []byte) (any, error) {
	var args struct {
		Skew string `json:"skew"`
	}
	if err := decode(body, &args); err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(args.Skew)
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "%q is no span of time", args.Skew).With("write it like 3m or -90s")
	}
	s.SetSkew(d)
	return did(nil)
}

// editCredential changes only the keys that are in the JSON; the name says which credential.
func editCredential(s *Sandbox, body []byte) (any, error) {
	var id naming
	if err := json.Unmarshal(body, &id); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the arguments are no JSON object")
	}
	var bad error
	err := s.EditCredential(id.Name, func(c *Credential) { bad = decode(body, c) })
	return did(errors.Join(bad, err))
}

func decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fault.Wrap(err, fault.Invalid, "the arguments cannot be read")
	}
	return nil
}

// serveControl is the control API under /sandbox/.
func (s *Sandbox) serveControl(rw http.ResponseWriter, req *http.Request) {
	switch req.Method + " " + req.URL.Path {
	case "GET /sandbox/stats":
		writeControl(rw, http.StatusOK, s.Stats())
		return
	case "GET /sandbox/webhooks":
		writeControl(rw, http.StatusOK, s.WebhookCounts())
		return
	case "POST /sandbox/webhooks/settle":
		if err := s.Settle(req.Context()); err != nil {
			writeControl(rw, http.StatusGatewayTimeout, map[string]string{"error": err.Error()})
			return
		}
		writeControl(rw, http.StatusOK, s.WebhookCounts())
		return
	case "GET /sandbox/ssh-keys":
		writeControl(rw, http.StatusOK, s.knownSSH())
		return
	case "POST /sandbox/stats/reset":
		s.ResetStats()
		rw.WriteHeader(http.StatusNoContent)
		return
	}
	run := s.commands[req.URL.Path[min(len(req.URL.Path), len("/sandbox/")):]]
	if run == nil || req.Method != http.MethodPost {
		writeControl(rw, http.StatusNotFound, map[string]string{"error": "no such control endpoint; see the package documentation"})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, req.Body, 16<<20))
	if err == nil {
		var answer any
		if answer, err = run(s, body); err == nil {
			writeControl(rw, http.StatusOK, answer)
			return
		}
	}
	writeControl(rw, statusOf(err), map[string]string{"error": err.Error()})
}

func statusOf(err error) int {
	switch fault.CodeOf(err) {
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Invalid, fault.Usage:
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

func writeControl(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(v) // a caller that went away is no concern of the sandbox
}
