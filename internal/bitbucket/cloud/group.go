package cloud

import (
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

// The resource groups that have allowances of their own (FACTS 38, 45).
const (
	groupAPI        = bitbucket.DefaultGroup
	groupWebhooks   = "webhooks"
	groupRaw        = "raw"
	groupArchive    = "archive"
	groupProperties = "properties"
	groupOld        = "groups-1.0"
)

// Allowances returns how many calls per rolling hour the vendor grants where no header says so (FACTS 38). Of two
// numbers that it has published for archives the smaller is taken; that of the old groups is believed.
func Allowances() bitbucket.Allowances {
	return bitbucket.Allowances{"": 1000, groupProperties: 2000, groupRaw: 5000, groupArchive: 1500}
}

// group returns the resource group of a path below the API.
func group(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	at := func(i int) string {
		if i < len(parts) {
			return parts[i]
		}
		return ""
	}
	below := at(2) // of a workspace or a project
	if at(0) == "repositories" {
		below = at(3)
	}
	switch {
	case at(0) == "groups", at(0) == "1.0":
		return groupOld
	case at(0) == "hook_events", below == "hooks":
		return groupWebhooks
	case at(0) == "repositories" && below == "src":
		return groupRaw
	case at(0) == "repositories" && below == "downloads":
		return groupArchive
	case strings.Contains(path, "/properties/"):
		return groupProperties
	}
	return groupAPI
}
