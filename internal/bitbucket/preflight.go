package bitbucket

// Preflight is what a first full read of a connection takes. It is found with a bounded number of calls: totals where
// the vendor tells them, a sample of repositories for their pull requests.
type Preflight struct {
	Projects     int
	Users        int
	Repositories int
	AtLeast      bool  // there are more repositories than were counted
	PullRequests Guess // all of them, or with a window those that a first read takes
	Calls        int   // of the first full read
	GitBytes     int64 // of all repositories; zero where the vendor does not tell
	Spent        int   // calls that finding this out took
}

// Guess is a number found from a sample.
type Guess struct {
	Number  int
	Exact   bool // every repository was looked at
	AtLeast bool // some of those looked at hold more than was counted
	Unknown bool // none could be looked at
}

// The bounds of a preflight, so that looking costs next to nothing beside reading.
const (
	SampleSize   = 20 // repositories whose pull requests are counted
	PreflightMax = 60 // calls in all
)

// Sample picks which of n things to look at: all of them where they are few, else as many as given spread evenly.
func Sample(n, most int) []int {
	out := make([]int, min(n, most))
	for i := range out {
		out[i] = i * n / len(out)
	}
	return out
}

// Estimate scales the pull requests counted in some of the repositories to all of them, and the calls that listing
// them takes at the given page size: one for every page, and one for a repository without any.
func Estimate(repositories int, counted []int, page int) (pullRequests, calls int) {
	if len(counted) == 0 || repositories == 0 {
		return 0, repositories
	}
	for _, n := range counted {
		pullRequests += n
		calls += max(1, (n+page-1)/page)
	}
	scale := func(sum int) int { return (sum*repositories + len(counted)/2) / len(counted) }
	return scale(pullRequests), max(repositories, scale(calls))
}

// Pages is how many pages of a size hold n things: at least one, which says that there are none.
func Pages(n, size int) int { return max(1, (n+size-1)/size) }
