package datacenter

import (
	"cmp"
	"strconv"
	"strings"
)

// Version is the version of an instance, such as 8.9.22. The zero Version is one that could not be read.
type Version struct{ Major, Minor, Patch int }

// ParseVersion reads a version as application-properties states it; what follows the numbers is ignored.
func ParseVersion(s string) (Version, bool) {
	var v Version
	for i, part := range strings.SplitN(s, ".", 4) {
		end := 0
		for end < len(part) && part[end] >= '0' && part[end] <= '9' {
			end++
		}
		n, err := strconv.Atoi(part[:end])
		switch {
		case err != nil && i == 0:
			return Version{}, false
		case err != nil || i > 2:
			return v, true
		}
		*[]*int{&v.Major, &v.Minor, &v.Patch}[i] = n
		if end < len(part) {
			break
		}
	}
	return v, true
}

// Compare returns a negative number where v is older than w, 0 where they are the same, else a positive one.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch))
}

// AtLeast reports whether v is that version or a later one.
func (v Version) AtLeast(major, minor int) bool {
	return v.Compare(Version{Major: major, Minor: minor}) >= 0
}

// String returns the version as numbers with dots.
func (v Version) String() string {
	return strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Minor) + "." + strconv.Itoa(v.Patch)
}
