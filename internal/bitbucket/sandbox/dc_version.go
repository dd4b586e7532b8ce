package sandbox

import (
	"strconv"

	"github.com/windlass-hq/windlass/internal/fault"
)

// dcVersion is a version of Bitbucket Data Center; it decides which keys answers have and which rules hold.
type dcVersion struct{ major, minor, patch int }

// dcVersions lists what --dc-version can be, with the patch release that stands for each.
func dcVersions() map[string]dcVersion {
	return map[string]dcVersion{"7.6": {7, 6, 19}, "7.21": {7, 21, 23}, "8.9": {8, 9, 22}, "9.4": {9, 4, 3}, "10.0": {10, 0, 2}}
}

func parseDCVersion(name string) (dcVersion, error) {
	if name == "" {
		name = "9.4"
	}
	v, ok := dcVersions()[name]
	if !ok {
		return v, fault.New(fault.Usage, "the sandbox has no Bitbucket Data Center of version %q", name).With("use 7.6, 7.21, 8.9, 9.4 or 10.0")
	}
	return v, nil
}

func (v dcVersion) atLeast(major, minor int) bool {
	return v.major > major || v.major == major && v.minor >= minor
}

func (v dcVersion) String() string {
	return strconv.Itoa(v.major) + "." + strconv.Itoa(v.minor) + "." + strconv.Itoa(v.patch)
}

// build is the number that belongs to a version (FACTS 104).
func (v dcVersion) build() string { return strconv.Itoa(v.major*1000000 + v.minor*1000 + v.patch) }

func (v dcVersion) archives() bool       { return v.atLeast(8, 0) }  // archived repositories (FACTS 108)
func (v dcVersion) drafts() bool         { return v.atLeast(8, 18) } // draft pull requests [believed]
func (v dcVersion) hierarchies() bool    { return v.atLeast(7, 21) } // hierarchyId (FACTS 158; the version is believed)
func (v dcVersion) oauth2() bool         { return v.atLeast(7, 20) } // FACTS 108
func (v dcVersion) hidesSecrets() bool   { return v.atLeast(8, 0) }  // of webhooks (FACTS 145; the version is believed)
func (v dcVersion) writesNullNext() bool { return !v.atLeast(9, 0) } // nextPageStart of a last page: null or missing (FACTS 121)
func (v dcVersion) restOnlyTokens() bool { return v.atLeast(8, 9) }  // FACTS 114; all later versions here have the patch
