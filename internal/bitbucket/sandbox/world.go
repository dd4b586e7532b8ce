package sandbox

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// world is the state of the sandbox. It knows nothing of one product's wire format. All fields are guarded by
// Sandbox.mu; only the lazily computed git histories have a lock of their own (see history in repo).
type world struct {
	seed       uint64
	instance   bool // of a Data Center, see dataCenter: nothing is superseded there
	users      []*user
	workspaces []*workspace            // those that credentials reach
	outside    []*workspace            // owners of forks that nobody here can read
	lost       map[*workspace][]string // groups that were deleted; those of an instance under nil
	people     int                     // how many users were generated
	repoCount  int
	prCount    int
	projCount  int
}

type user struct {
	index     int32
	id        uuid
	name      string
	signed    string // the name in generated commits, which no later change of name alters
	nickname  string // not unique
	accountID string
	email     string
	created   int64
	gone      bool // the account was deleted: shown as null

	// Of Data Center: name to sign in with, the name in paths, and the id.
	login   string
	slug    string
	number  int32
	service bool // stands for a project's or repository's token
}

type member struct {
	user  *user
	admin bool
}

type workspace struct {
	world    *world
	id       uuid
	slug     string
	name     string
	private  bool
	created  int64
	updated  int64
	outside  bool
	members  []member
	projects []*project
	repos    []*repo
	bySlug   map[string]*repo
	set      *settings // nil: as derived from the seed
}

type project struct {
	ws      *workspace
	id      uuid
	key     string
	name    string
	desc    string
	private bool
	created int64
	updated int64
	number  int32 // of Data Center
	owner   *user // of a personal project of Data Center
	hooks   []*webhook
	set     *settings // nil: as derived from the seed
}

type repo struct {
	ws       *workspace
	project  *project // nil for repositories outside
	index    uint64   // place below the seed; identifies the generated history
	id       uuid
	slug     string
	name     string
	desc     string
	language string
	private  bool
	empty    bool // no commit at all
	created  int64
	updated  int64
	size     int64
	main     string
	parent   *repo
	prs      []*pullRequest // ascending by id
	nextPR   int32
	team     []int32   // users who mostly work here
	set      *settings // nil: as derived from the seed

	// Of Data Center.
	number   int32
	archived bool
	forks    []*repo // from which pull requests come
	forked   *repo   // what a generated fork was made of: its commits are those of this one
	edits    int     // changes of pull requests; what was ordered before one is out of date
	newest   atomic.Pointer[ordered]
	hooks    []*webhook

	history struct {
		mu     sync.Mutex
		hashed atomic.Bool // every generated pull request's hashes are set
		graph  atomic.Pointer[graph]
		disk   atomic.Pointer[objects]
	}
}

type state uint8

const (
	open state = iota
	merged
	declined
	superseded
)

func (s state) String() string {
	switch s {
	case open:
		return "OPEN"
	case merged:
		return "MERGED"
	case declined:
		return "DECLINED"
	}
	return "SUPERSEDED"
}

type verdict uint8

const (
	noVerdict verdict = iota
	approved
	changesRequested
)

// participation is what one user did on one pull request.
type participation struct {
	user     *user
	on       int64 // latest participation of any kind; zero when the user was only asked
	at       int64 // when the verdict was given
	reviewer bool
	verdict  verdict
}

// update is an entry of the activity log beyond those that follow from the pull request itself.
type update struct {
	by     *user
	at     int64
	source hash
}

type pullRequest struct {
	repo        *repo
	id          int32
	state       state
	draft       bool
	closeSource bool
	keepSource  bool // the source branch still exists although it is closed
	noDesc      bool // description is null
	squash      bool
	comments    uint8
	tasks       uint8
	author      *user
	closedBy    *user
	created     int64
	updated     int64
	closed      int64
	source      *repo // nil: the fork was deleted
	title       string
	desc        string
	srcBranch   string
	dstBranch   string
	reason      string
	people      []participation
	updates     []update
	version     int32 // of Data Center: how often it was edited

	srcHash, dstHash, mergeHash hash
	firstHash                   hash // the source when it was opened, once it has moved
}

func (w *world) workspace(ref string) *workspace {
	id, isID := parseUUID(ref)
	for _, ws := range w.workspaces {
		if isID && ws.id == id || ws.slug == ref {
			return ws
		}
	}
	return nil
}

// find returns a repository by slug or id in braces.
func (ws *workspace) find(ref string) *repo {
	if r := ws.bySlug[ref]; r != nil {
		return r
	}
	if id, ok := parseUUID(ref); ok {
		for _, r := range ws.repos {
			if r.id == id {
				return r
			}
		}
	}
	return nil
}

func (ws *workspace) project(ref string) *project {
	id, isID := parseUUID(ref)
	for _, p := range ws.projects {
		if p.key == ref || isID && p.id == id {
			return p
		}
	}
	return nil
}

func (ws *workspace) member(u *user) *member {
	for i := range ws.members {
		if ws.members[i].user == u {
			return &ws.members[i]
		}
	}
	return nil
}

// pr returns the pull request with an id and its place.
func (r *repo) pr(id int32) (*pullRequest, int) {
	i, ok := slices.BinarySearchFunc(r.prs, id, func(p *pullRequest, id int32) int { return cmp.Compare(p.id, id) })
	if !ok {
		return nil, -1
	}
	return r.prs[i], i
}

func (r *repo) fullName() string { return r.ws.slug + "/" + r.slug }

// user finds a user by id in braces, account id, e-mail or, where only one has it, nickname.
func (w *world) user(ref string) *user {
	id, isID := parseUUID(ref)
	var byNick *user
	nicks := 0
	for _, u := range w.users {
		if isID && u.id == id || u.accountID == ref || u.email == ref || u.login != "" && u.login == ref {
			return u
		}
		if u.nickname == ref {
			byNick = u
			nicks++
		}
	}
	if nicks == 1 {
		return byNick
	}
	return nil
}
