package sandbox

import (
	"slices"

	"github.com/windlass-hq/windlass/internal/fault"
)

// SetDefaultPermission gives every user of the instance a permission on a project (READ, WRITE or ADMIN), or takes it
// away when it is empty.
func (d DataCenter) SetDefaultPermission(project, permission string) error {
	return d.alter(Place{Project: project}, func(at site) error {
		if permission != "" && !slices.Contains(dcLevels(), permission) {
			return fault.New(fault.Invalid, "%q is no permission", permission).With("use READ, WRITE or ADMIN, or none")
		}
		at.edit().everybody = permission
		return nil
	})
}
