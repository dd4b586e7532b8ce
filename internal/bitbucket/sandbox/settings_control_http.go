package sandbox

import "maps"

// placed carries a place and the id of what is there.
type placed struct {
	Place
	ID int64 `json:"id"`
}

// hookRef names a webhook.
type hookRef struct {
	Place
	ID string `json:"id"`
}

// seat carries the arguments of the acts on groups, environments and default permissions.
type seat struct {
	Workspace  string `json:"workspace"`
	Repository string `json:"repository"`
	Project    string `json:"project"`
	Group      string `json:"group"`
	User       string `json:"user"`
	Name       string `json:"name"`
	Kind       string `json:"kind"`
	ID         string `json:"id"`
	Permission string `json:"permission"`
}

// settingCommands are the acts on settings, below a prefix that is empty for the Cloud and "dc/" for Data Center.
func settingCommands(prefix string, of func(*Sandbox) acts) map[string]command {
	all := map[string]command{
		"grant": with(func(s *Sandbox, o GrantSpec) (any, error) { return did(of(s).Grant(o)) }),
		"group/create": with(func(s *Sandbox, o GroupSpec) (any, error) {
			slug, err := of(s).CreateGroup(o)
			return named("slug", slug, err)
		}),
		"group/delete": with(func(s *Sandbox, o seat) (any, error) { return did(of(s).DeleteGroup(o.Workspace, o.Group)) }),
		"group/add-member": with(func(s *Sandbox, o seat) (any, error) {
			return did(of(s).SetGroupMember(o.Workspace, o.Group, o.User, true))
		}),
		"group/remove-member": with(func(s *Sandbox, o seat) (any, error) {
			return did(of(s).SetGroupMember(o.Workspace, o.Group, o.User, false))
		}),
		"restriction/set": with(func(s *Sandbox, o RestrictionSpec) (any, error) {
			id, err := of(s).SetRestriction(o)
			return named("id", id, err)
		}),
		"restriction/delete": with(func(s *Sandbox, o placed) (any, error) { return did(of(s).DeleteRestriction(o.Place, o.ID)) }),
		"reviewers/set":      with(func(s *Sandbox, o ReviewersSpec) (any, error) { return did(of(s).SetDefaultReviewers(o)) }),
		"hook/add": with(func(s *Sandbox, o HookSpec) (any, error) {
			id, err := of(s).AddHook(o)
			return named("id", id, err)
		}),
		"hook/change": with(func(s *Sandbox, o HookSpec) (any, error) { return did(of(s).ChangeHook(o)) }),
		"hook/delete": with(func(s *Sandbox, o hookRef) (any, error) { return did(of(s).DeleteHook(o.Place, o.ID)) }),
		"key/add": with(func(s *Sandbox, o KeySpec) (any, error) {
			id, err := of(s).AddKey(o)
			return named("id", id, err)
		}),
		"key/delete": with(func(s *Sandbox, o placed) (any, error) { return did(of(s).DeleteKey(o.Place, o.ID)) }),
	}
	out := make(map[string]command, len(all))
	for name, run := range all {
		out[prefix+name] = run
	}
	return out
}

// allSettingCommands are those of both products.
func allSettingCommands() map[string]command {
	all := settingCommands("", func(s *Sandbox) acts { return s.acts })
	maps.Copy(all, settingCommands("dc/", func(s *Sandbox) acts { return s.DataCenter().acts }))
	all["environment/add"] = with(func(s *Sandbox, o seat) (any, error) {
		id, err := s.AddEnvironment(o.Repository, o.Name, o.Kind)
		return named("uuid", id, err)
	})
	all["environment/delete"] = with(func(s *Sandbox, o seat) (any, error) { return did(s.DeleteEnvironment(o.Repository, o.ID)) })
	all["dc/default-permission"] = with(func(s *Sandbox, o seat) (any, error) {
		return did(s.DataCenter().SetDefaultPermission(o.Project, o.Permission))
	})
	return all
}
