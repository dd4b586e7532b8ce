package query

// Viewer is who asks, as far as it decides what may be seen. Its predicate goes to every entity and thereby, since a
// relationship has two ends, to every relationship a query touches. The zero value sees nothing.
type Viewer struct {
	everything bool
	repos      []int64
	projects   []int64
}

// Everything is the viewer who sees the whole graph: the owner, and programs that act for him.
func Everything() Viewer { return Viewer{everything: true} }

// Within is the viewer who sees what belongs to the given repositories, or to the given projects while it belongs to
// no repository, by the store's ids; and besides what belongs to neither: users, groups, accounts.
func Within(repos, projects []int64) Viewer {
	return Viewer{repos: append([]int64{}, repos...), projects: append([]int64{}, projects...)}
}
