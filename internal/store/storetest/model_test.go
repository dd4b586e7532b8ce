package storetest_test

import (
	"slices"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
)

// world is the naive model of the store: what a person would write who had only maps, and the specification of who
// sees what. It knows no SQL, no hashes and no transactions, and it shares no code with the store.
type world struct {
	declared *graph.Model
	scopes   map[int64]area         // every scope by its id
	names    map[int64]string       // of scopes, for people
	met      map[int64]int64        // by connection: the scope of what is only met in others' answers
	things   map[string]*thing      // by key; a closed one stays, its past is still known
	ties     map[tie]*tieState      // open relationships only
	changes  []happened             // what the change log must say, in no particular order within a step
	past     []moment               // what could be seen after each step
	counts   tally                  // of the step under way
	touched  map[string]*beforehand // things the step under way has accepted claims about
}

// area is what one complete listing can prove the absence of.
type area struct {
	connection      int64
	parent, listing string
}

// thing is an entity with everything the rules need to remember.
type thing struct {
	open     bool
	kind     string
	name     string
	home     string
	source   graph.Source
	facts    graph.Properties
	revision int64     // the newest the provider told
	written  time.Time // when the newest accepted answer that brought news was asked for
	left     time.Time // when the newest withdrawal was asked for that left it open
	closed   time.Time // when the closing was asked for; counts while it is closed
	version  int
	// seen holds one entry per presence: the claim that the scope made last, or nil when its next claim must be
	// looked at even if it is the same.
	seen map[int64]*graph.Object
}

// tie names a relationship.
type tie struct{ from, verb, to string }

// sight is the presence of a relationship: the entity whose answer brought it, and the scope of that answer.
type sight struct {
	owner string
	scope int64
}

type tieState struct {
	facts graph.Properties
	seen  map[sight]bool
}

// happened is a change without its place in a stream.
type happened struct {
	Op       graph.Op
	Reason   graph.Reason `json:",omitempty"`
	Key      string
	Old, New graph.Properties
	Edges    []string
}

// tally counts what a step did to entities.
type tally struct{ Created, Updated, Deleted, Hidden, Withdrawn, Stale int }

// moment is what could be seen at a time, rendered.
type moment struct {
	at    time.Time
	state state
}

// state is a rendered graph: entities and relationships by key.
type state struct{ Entities, Edges map[string]string }

// beforehand is what a thing was before the step.
type beforehand struct {
	created bool
	facts   graph.Properties // versioned ones, with displayName, _home and _source among them
	edges   map[string]graph.Op
}

func newWorld(declared *graph.Model) *world {
	return &world{
		declared: declared,
		scopes:   map[int64]area{},
		met:      map[int64]int64{},
		things:   map[string]*thing{},
		ties:     map[tie]*tieState{},
	}
}

// accepted is a claim that is taken.
type accepted struct {
	object graph.Object
	scope  int64
	asked  time.Time
	newer  bool          // the provider says that it is newer than what was known
	before string        // everything known of the thing before it
	again  bool          // the scope saw the thing before
	last   *graph.Object // the claim that the scope made before
}

// apply is one answer of the provider: objects of a scope, and others met in it, all asked for at the same time.
func (w *world) apply(scope int64, objects, met []graph.Object, asked time.Time) {
	w.begin()
	var all []accepted
	for _, o := range objects {
		if a := w.take(o, scope, asked); a != nil {
			all = append(all, *a)
		}
	}
	for _, o := range met {
		// What a list says in passing of the thing it is about neither opens it nor shows it.
		if about := w.scopes[scope].parent; about != "" && o.Entity.Key == about {
			if !w.isOpen(about) {
				w.counts.Stale++
				continue
			}
			if _, sees := w.things[about].seen[w.met[w.scopes[scope].connection]]; !sees {
				continue
			}
		}
		if a := w.take(o, w.met[w.scopes[scope].connection], asked); a != nil {
			all = append(all, *a)
		}
	}
	// Homes and ends of relationships may stand anywhere in the batch, so they are looked up when all are in.
	for _, a := range all {
		w.connect(a)
	}
	w.end()
}

// take decides about one claim and merges its facts. It returns nil where the claim is dropped.
func (w *world) take(o graph.Object, scope int64, asked time.Time) *accepted {
	key, revision := o.Entity.Key, o.Entity.Revision
	a := &accepted{object: o, scope: scope, asked: asked}
	t := w.things[key]
	if t == nil {
		t = &thing{}
		w.things[key] = t
	}
	facet := w.facet(key, scope)
	if !t.open && facet {
		w.counts.Stale++
		return nil
	}
	if !t.open {
		// An answer asked for before the closing knows nothing of it.
		if asked.Before(t.closed) {
			w.counts.Stale++
			return nil
		}
		// What comes back begins from nothing; only its name in our books and its version number go on.
		*t = thing{open: true, kind: o.Entity.Type, source: graph.Provider, facts: graph.Properties{}, version: t.version, seen: map[int64]*graph.Object{}}
		w.remember(key, t, true)
	} else {
		last, sees := t.seen[scope]
		// A scope that repeats its claim says nothing new, whatever others said in between.
		if last != nil && render(*last) == render(o) {
			return nil
		}
		// The provider's own order decides first, the time of asking second.
		stale := revision != 0 && revision < t.revision
		if (revision == 0 || revision == t.revision) && !facet {
			stale = asked.Before(t.written) || (!sees && asked.Before(t.left))
		}
		if stale {
			// What an old answer says is dropped, but it did show the thing, unless that has been taken back since.
			if !sees && (facet || !asked.Before(t.left)) {
				t.seen[scope] = nil
			}
			w.counts.Stale++
			return nil
		}
		a.newer, a.before, a.again, a.last = revision > t.revision, t.known(), sees, last
		w.remember(key, t, false)
	}
	t.revision = max(t.revision, revision)
	// Unknown never overwrites known.
	if o.Entity.Name != "" {
		t.name = o.Entity.Name
	}
	if o.Entity.Source != "" {
		t.source = o.Entity.Source
	}
	merge(t.facts, o.Entity.Properties)
	return a
}

// merge lets known facts overwrite: an absent name is unknown and stays, nil is known to be absent and goes.
func merge(facts, claimed graph.Properties) {
	for name, value := range claimed {
		if value == nil {
			delete(facts, name)
		} else {
			facts[name] = value
		}
	}
}

// known renders everything known of a thing itself.
func (t *thing) known() string {
	return render([]any{t.name, t.home, t.source, t.facts, t.revision})
}

// connect settles the home and the relationships of an accepted claim.
func (w *world) connect(a accepted) {
	o, scope := a.object, a.scope
	key := o.Entity.Key
	t := w.things[key]
	news := false
	complete := true
	if home := o.Entity.Home; home != "" {
		if w.isOpen(home) {
			t.home = home
		} else {
			complete = false
		}
	}
	for _, other := range []string{o.Entity.Repo, o.Entity.Project} {
		if other != "" && !w.isOpen(other) {
			complete = false
		}
	}
	claimed := map[tie]graph.Properties{}
	for _, r := range o.Relationships {
		// A relationship with an end that is not there is left out.
		if !w.isOpen(r.From) || !w.isOpen(r.To) {
			complete = false
			continue
		}
		claimed[tie{r.From, r.Verb, r.To}] = r.Properties
	}
	// The claim replaces what the thing had in this scope. A newer one also speaks for the same listing as other
	// connections read it.
	for name, e := range w.ties {
		if _, again := claimed[name]; again || slices.Contains(o.UnknownVerbs, name.verb) {
			continue
		}
		for s := range e.seen {
			if s.owner == key && (s.scope == scope || a.newer && w.sameListing(s.scope, scope)) {
				delete(e.seen, s)
			}
		}
		news = w.dropUnseen(name, key) || news
	}
	for name, facts := range claimed {
		e := w.ties[name]
		if e == nil {
			e = &tieState{facts: graph.Properties{}, seen: map[sight]bool{}}
			w.ties[name] = e
			w.touched[key].edges[name.String()] = graph.Created
			merge(e.facts, facts)
			news = true
		} else {
			all, versioned := render(e.facts), render(w.versionedTie(name, e.facts))
			merge(e.facts, facts)
			news = news || render(e.facts) != all
			if render(w.versionedTie(name, e.facts)) != versioned {
				w.touched[key].edges[name.String()] = graph.Updated
			}
		}
		e.seen[sight{key, scope}] = true
	}
	t.seen[scope] = &o
	// What was left out may be there the next time, so the same claim must be looked at again.
	if !complete {
		t.seen[scope] = nil
	}
	// An answer that brings nothing new, not even a claim to remember, is no write.
	news = news || t.known() != a.before || !a.again || t.seen[scope] != nil || a.last != nil
	if news && a.asked.After(t.written) && !w.facet(key, scope) {
		t.written = a.asked
	}
}

// facet reports whether a scope is a list about the thing itself. It says more about the thing, and neither opens it
// nor keeps it open.
func (w *world) facet(key string, scope int64) bool {
	about := w.scopes[scope].parent
	return about != "" && about == key
}

// held reports whether a scope sees the thing that is no list about it. What was only met does not count where a listing
// of that connection proves it deleted; zero for none.
func (w *world) held(key string, deletedIn int64) bool {
	for scope := range w.things[key].seen {
		if !w.facet(key, scope) && (deletedIn == 0 || scope != w.met[w.scopes[deletedIn].connection]) {
			return true
		}
	}
	return false
}

// sameListing reports whether two scopes are the same listing as read by different connections.
func (w *world) sameListing(a, b int64) bool {
	x, y := w.scopes[a], w.scopes[b]
	return x.connection != y.connection && x.parent == y.parent && x.listing == y.listing
}

// dropUnseen closes a relationship without presences, and writes it down as a change of its owner.
func (w *world) dropUnseen(name tie, owner string) (closed bool) {
	if len(w.ties[name].seen) > 0 {
		return false
	}
	delete(w.ties, name)
	w.touched[owner].edges[name.String()] = graph.Closed
	return true
}

// withdraw takes presences in a scope back.
func (w *world) withdraw(scope int64, keys []string, reason graph.Reason, asked time.Time) {
	w.begin()
	for _, key := range keys {
		t := w.things[key]
		if t == nil || !t.open {
			continue
		}
		if _, sees := t.seen[scope]; !sees {
			continue
		}
		// It was written after this was asked for. The removal of a connection is the owner's word and no answer.
		if reason != graph.Withdrawn && asked.Before(t.written) && !w.facet(key, scope) {
			w.counts.Stale++
			continue
		}
		w.remember(key, t, false)
		delete(t.seen, scope)
		proof := int64(0)
		if reason == graph.Deleted && !w.facet(key, scope) {
			proof = scope
		}
		if !w.held(key, proof) {
			w.close(key, reason, asked)
			continue
		}
		// The relationships it had there go with the presence.
		for name, e := range w.ties {
			if e.seen[sight{key, scope}] {
				delete(e.seen, sight{key, scope})
				w.dropUnseen(name, key)
			}
		}
		// What only the scope that is gone knew must not stay for ever: the others are asked again.
		for other := range t.seen {
			t.seen[other] = nil
		}
		if asked.After(t.left) && !w.facet(key, scope) {
			t.left = asked
		}
	}
	w.end()
}

// close ends a thing, everything that has its home in it, and every relationship that touches them.
func (w *world) close(key string, reason graph.Reason, asked time.Time) {
	t := w.things[key]
	if !t.open {
		return
	}
	t.open, t.closed = false, asked
	for child, c := range w.things {
		if c.open && c.home == key {
			w.close(child, reason, asked)
		}
	}
	for name, e := range w.ties {
		if name.from != key && name.to != key {
			continue
		}
		// Who brought it and stays will be asked again: the other end may come back.
		for s := range e.seen {
			for scope := range w.things[s.owner].seen {
				w.things[s.owner].seen[scope] = nil
			}
		}
		delete(w.ties, name)
	}
	delete(w.touched, key)
	w.changes = append(w.changes, happened{Op: graph.Closed, Reason: reason, Key: key})
	switch reason {
	case graph.Deleted:
		w.counts.Deleted++
	case graph.NotVisible:
		w.counts.Hidden++
	case graph.Withdrawn:
		w.counts.Withdrawn++
	}
}

func (w *world) isOpen(key string) bool {
	t := w.things[key]
	return t != nil && t.open
}

// members returns the keys that a scope sees, sorted.
func (w *world) members(scope int64) []string {
	var keys []string
	for key, t := range w.things {
		if _, sees := t.seen[scope]; sees && t.open {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// begin starts a step.
func (w *world) begin() {
	w.counts, w.changes, w.touched = tally{}, nil, map[string]*beforehand{}
}

// remember keeps what a thing was before the step touched it.
func (w *world) remember(key string, t *thing, created bool) {
	if w.touched[key] == nil {
		w.touched[key] = &beforehand{created: created, facts: w.versioned(t), edges: map[string]graph.Op{}}
	}
}

// end compares each touched thing with what it was. Only versioned facts make versions and changes; a relationship
// makes a change but no version of its owner.
func (w *world) end() {
	for key, before := range w.touched {
		t := w.things[key]
		if before.created {
			t.version++
			w.counts.Created++
			w.changes = append(w.changes, happened{Op: graph.Created, Key: key})
			continue
		}
		now := w.versioned(t)
		c := happened{Op: graph.Updated, Key: key, Old: graph.Properties{}, New: graph.Properties{}}
		for name := range union(before.facts, now) {
			if render(before.facts[name]) == render(now[name]) {
				continue
			}
			if v, ok := before.facts[name]; ok {
				c.Old[name] = v
			}
			if v, ok := now[name]; ok {
				c.New[name] = v
			}
		}
		for name, op := range before.edges {
			c.Edges = append(c.Edges, string(op)+" "+name)
		}
		slices.Sort(c.Edges)
		if len(c.Old)+len(c.New) > 0 {
			t.version++
		}
		if len(c.Old)+len(c.New)+len(c.Edges) > 0 {
			w.counts.Updated++
			w.changes = append(w.changes, c)
		}
	}
}
