package cloud

import (
	"strconv"
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

// Allowances returns how many calls per rolling hour are granted where no header says so. The vendor's own host grants
// what it has published (FACTS 38; of two numbers for archives the smaller is taken, that of the old groups is
// believed). What else answers at an API URL, a sandbox or a recorder, has published nothing: there is no limit until a
// call is refused. A number that the owner states, 0 for none, holds for every group instead.
func Allowances(apiURL string, stated int) bitbucket.Allowances {
	switch {
	case stated > 0:
		return bitbucket.Allowances{"": stated}
	case apiURL == "", strings.HasPrefix(apiURL+"/", strings.TrimSuffix(DefaultAPIURL, "2.0")):
		return bitbucket.Allowances{"": 1000, groupProperties: 2000, groupRaw: 5000, groupArchive: 1500}
	default:
		return bitbucket.Allowances{"": bitbucket.Unpublished}
	}
}

// Stated reads the option of a connection that states an allowance; 0 for none.
func Stated(option string) int {
	n, err := strconv.Atoi(option)
	if err != nil {
		return 0
	}
	return n
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
