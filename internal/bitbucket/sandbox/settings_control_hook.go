package sandbox

import (
	"slices"
	"strconv"
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// HookSpec is a webhook: of a repository or a workspace of the Cloud, of a repository or a project of Data Center.
type HookSpec struct {
	Place
	ID     string   `json:"id"` // of the one to change; AddHook takes none
	Name   string   `json:"name"`
	URL    string   `json:"url"`
	Events []string `json:"events"`
	Secret string   `json:"secret"` // the Cloud never shows it; Data Center does up to version 7 (FACTS 145)
	Active bool     `json:"active"`
	// Of Data Center: what goes into the header Authorization of deliveries.
	Username string `json:"username"`
	Password string `json:"password"`
}

// AddHook makes a webhook and returns its id.
func (a acts) AddHook(o HookSpec) (string, error) {
	id := ""
	err := a.alter(o.Place, func(at site) error {
		if o.URL == "" || len(o.Events) == 0 {
			return fault.New(fault.Invalid, "a webhook needs a url and events")
		}
		now := a.s.now()
		if at.dc != nil {
			list, err := at.serverHooks()
			if err != nil {
				return err
			}
			at.dc.lastHook++
			*list = append(slices.Clone(*list), &webhook{
				id: at.dc.lastHook, name: o.Name, created: now, updated: now, events: o.Events, url: o.URL, active: o.Active, secret: o.Secret,
				username: o.Username, password: o.Password, insured: true,
			})
			id = strconv.Itoa(int(at.dc.lastHook))
			return nil
		}
		if at.project != nil {
			return fault.New(fault.Invalid, "projects of the Cloud have no webhooks")
		}
		a.s.serial++
		g := derive(a.s.opts.Seed, streamControl, a.s.serial)
		h := &cloudHook{id: g.uuid(), description: o.Name, url: o.URL, events: o.Events, active: o.Active, secret: o.Secret, created: now}
		s := at.edit()
		s.hooks = append(slices.Clone(s.hooks), h)
		id = h.id.String()
		return nil
	})
	return id, err
}

// ChangeHook replaces all of a webhook but its id, its creation and, unless another is given, its secret.
func (a acts) ChangeHook(o HookSpec) error {
	return a.alter(o.Place, func(at site) error {
		if o.URL == "" || len(o.Events) == 0 {
			return fault.New(fault.Invalid, "a webhook needs a url and events")
		}
		if at.dc != nil {
			list, err := at.serverHooks()
			if err != nil {
				return err
			}
			return replace(list, o.ID, func(h *webhook) string { return strconv.Itoa(int(h.id)) }, func(h *webhook) {
				h.name, h.url, h.events, h.active, h.updated = o.Name, o.URL, o.Events, o.Active, a.s.now()
				if o.Secret != "" {
					h.secret = o.Secret
				}
			})
		}
		s := at.edit()
		return replace(&s.hooks, o.ID, func(h *cloudHook) string { return h.id.String() }, func(h *cloudHook) {
			h.description, h.url, h.events, h.active = o.Name, o.URL, o.Events, o.Active
			if o.Secret != "" {
				h.secret = o.Secret
			}
		})
	})
}

// serverHooks is where Data Center keeps the hooks of a place.
func (s site) serverHooks() (*[]*webhook, error) {
	switch {
	case s.repo != nil:
		return &s.repo.hooks, nil
	case s.project != nil:
		return &s.project.hooks, nil
	}
	return nil, fault.New(fault.Invalid, "webhooks are of a repository or a project")
}

// DeleteHook removes a webhook.
func (a acts) DeleteHook(p Place, id string) error {
	return a.alter(p, func(at site) error {
		if at.dc != nil {
			list, err := at.serverHooks()
			if err != nil {
				return err
			}
			return remove(list, id, func(h *webhook) string { return strconv.Itoa(int(h.id)) })
		}
		s := at.edit()
		return remove(&s.hooks, id, func(h *cloudHook) string { return h.id.String() })
	})
}

// KeySpec is a deploy key of the Cloud or an access key of Data Center, of a repository or a project.
type KeySpec struct {
	Place
	Label string `json:"label"`
	Key   string `json:"key"`   // "ssh-ed25519 AAAA…"; none makes one up
	Write bool   `json:"write"` // of Data Center: it may push
}

// AddKey makes a key known and returns its id. It is listed; to let somebody in over SSH use AddSSHKey.
func (a acts) AddKey(o KeySpec) (int64, error) {
	id := int64(0)
	err := a.alter(o.Place, func(at site) error {
		if at.repo == nil && at.project == nil {
			return fault.New(fault.Invalid, "a key is of a repository or a project")
		}
		id = a.made()
		g := derive(a.s.opts.Seed, streamControl, a.s.serial)
		k := makeKey(&g, id, o.Label, a.s.now())
		k.used, k.write = 0, o.Write
		if o.Key != "" {
			if len(strings.Fields(o.Key)) < 2 {
				return fault.New(fault.Invalid, "the key has no algorithm or no text")
			}
			k.text = strings.Join(strings.Fields(o.Key)[:2], " ")
		}
		s := at.edit()
		s.keys = append(slices.Clone(s.keys), k)
		return nil
	})
	return id, err
}

// DeleteKey removes a key.
func (a acts) DeleteKey(p Place, id int64) error {
	return a.alter(p, func(at site) error {
		s := at.edit()
		return remove(&s.keys, strconv.FormatInt(id, 10), func(k *accessKey) string { return strconv.FormatInt(k.id, 10) })
	})
}

// AddEnvironment makes an environment of a repository of the Cloud and returns its id in braces. The kind is Test,
// Staging or Production.
func (s *Sandbox) AddEnvironment(repository, name, kind string) (string, error) {
	id := ""
	err := s.alter(Place{Repository: repository}, func(at site) error {
		if name == "" || !slices.Contains([]string{"Test", "Staging", "Production"}, kind) {
			return fault.New(fault.Invalid, "an environment needs a name and a kind").With("the kinds are Test, Staging and Production")
		}
		s.serial++
		g := derive(s.opts.Seed, streamControl, s.serial)
		set := at.edit()
		e := &environment{id: g.uuid(), name: name, kind: kind, rank: int64(len(set.environments))}
		set.environments = append(slices.Clone(set.environments), e)
		id = e.id.String()
		return nil
	})
	return id, err
}

// DeleteEnvironment removes an environment.
func (s *Sandbox) DeleteEnvironment(repository, id string) error {
	return s.alter(Place{Repository: repository}, func(at site) error {
		set := at.edit()
		return remove(&set.environments, id, func(e *environment) string { return e.id.String() })
	})
}
