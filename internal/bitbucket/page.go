package bitbucket

import (
	"fmt"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
)

// Page is one page of a listing, converted.
type Page struct {
	Objects []graph.Object // what the listing lists
	Met     []graph.Object // people and projects that were only mentioned; they prove no absence
	Repos   []RepoRef      // in a listing of repositories: how to ask for what is inside each

	RequestedAt time.Time // when the request of this page was sent
	ServedAt    time.Time // the provider's clock as the answer tells it, to the second; zero where it does not
	Odd         []Odd

	// Principal names who read the page. A complete listing comes from one principal, first page to last. Where a
	// listing had to begin again (another principal took over, or pages had to become smaller), Again is true on
	// its first page; what was yielded before stays true but is no part of the proof.
	Principal string
	Again     bool
}

// Odd is an object that could not be read as the vendor describes it.
type Odd struct {
	Key     string // the object's key, or where in the page it stood
	Problem string
	// Lost says that not even the identity was readable: the object is not in the page, and its scope is partial.
	// Otherwise the object was kept with what could be read.
	Lost bool
}

// Note records what was odd about the element of a page that became an object: r is its record, if it came so far, and
// ok says whether it is an object of the listing.
func (p *Page) Note(what string, element int, key string, r *Record, ok bool) {
	switch {
	case !ok:
		problem := "its identity cannot be read"
		if r != nil && len(r.odd) > 0 {
			problem = strings.Join(r.odd, "; ")
		}
		p.Odd = append(p.Odd, Odd{Key: fmt.Sprintf("%s, element %d", what, element+1), Problem: problem, Lost: true})
	case len(r.odd) > 0:
		p.Odd = append(p.Odd, Odd{Key: key, Problem: strings.Join(r.odd, "; ")})
	}
}

// RepoRef is what it takes to ask for the contents of a repository. Key and UUID are enough; the rest saves calls
// and names.
type RepoRef struct {
	Key           string // graph key
	WorkspaceSlug string
	WorkspaceUUID string // without braces
	ProjectKey    string // graph key of its project
	Project       string // short key of its project, by which Data Center reads
	Slug          string
	UUID          string // without braces; on Data Center the number
	Name          string
	FullName      string // workspace/slug or project/slug, lower case
	UpdatedOn     int64  // milliseconds
}

// Ref names one object for a direct read.
type Ref struct {
	Type      string // graph type
	Key       string // graph key, which holds its UUID and number
	Workspace string // UUID or slug of the workspace it belongs to
	Project   string // short key of the project: of a project itself, and on Data Center of a repository and what is in it
	Slug      string // on Data Center: of the repository (of a pull request: of its repository) or of the user
	Name      string // on Data Center: of the repository, to find it after a move
}

// Presence is what a direct read says about an object.
type Presence string

// The three answers. Only Gone may lead to a closing with reason deleted.
const (
	Present Presence = "present"
	Gone    Presence = "gone"   // 404 or 410 from every credential
	Hidden  Presence = "hidden" // 403: it may exist, but not for us
)
