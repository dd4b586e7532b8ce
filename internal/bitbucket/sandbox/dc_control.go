package sandbox

import (
	"strings"

	"github.com/windlass-hq/windlass/internal/fault"
)

// DataCenter is the Data Center side of a sandbox. Its repositories are written "KEY/slug", personal ones
// "~user/slug", projects by their key, and users by the name to sign in with, or by e-mail address.
type DataCenter struct{ s *Sandbox }

// DataCenter returns the Data Center side.
func (s *Sandbox) DataCenter() DataCenter { return DataCenter{s} }

// findRepo finds a repository by "KEY/slug".
func (d *dataCenter) findRepo(name string) (*repo, error) {
	key, slug, _ := strings.Cut(name, "/")
	if p := d.project(key); p != nil {
		if r := p.repo(slug); r != nil {
			return r, nil
		}
	}
	return nil, fault.New(fault.NotFound, "there is no repository %q", name).With("write it as KEY/slug")
}
