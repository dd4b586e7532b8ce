package datacenter

import (
	"net/url"
	"slices"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

// isPage reports whether a segment begins the address of a page below the context path. A clone address begins with
// scm, which may as well be the context path itself, so it counts only where a repository is named.
func isPage(segment, last string) bool {
	switch segment {
	case "rest", "projects", "users", "repos", "dashboard", "login", "logout", "plugins", "admin", "account", "profile",
		"getting-started", "mvc", "j_atl_security_check":
		return true
	case "scm":
		return strings.HasSuffix(last, ".git")
	}
	return false
}

// BaseURL reduces the address of any page of a Bitbucket Data Center to the one that its connection needs: scheme, host,
// port and the context path, under which all pages are (FACTS 156). Plain http is refused unless the host is this
// machine or allowHTTP is set.
func BaseURL(raw string, allowHTTP bool) (string, error) {
	raw = strings.TrimSpace(raw)
	u, err := url.Parse(raw)
	if err == nil && u.Host != "" {
		u.RawQuery, u.Fragment, u.ForceQuery = "", "", false
		segments := strings.Split(u.EscapedPath(), "/")
		last := segments[len(segments)-1]
		if i := slices.IndexFunc(segments, func(s string) bool { return isPage(s, last) }); i >= 0 {
			segments = segments[:i]
		}
		path := strings.TrimRight(strings.Join(segments, "/"), "/")
		if u.Path, err = url.PathUnescape(path); err == nil {
			u.RawPath = path
			raw = u.String()
		}
	}
	origin, err := bitbucket.ParseOrigin(raw, allowHTTP)
	if err != nil {
		return "", err
	}
	return origin.String(), nil
}
