package sandbox

import (
	"maps"
	"strings"
	"sync"
)

// Stats is what GET /sandbox/stats answers.
type Stats struct {
	Requests RequestStats `json:"requests"`
	Objects  ObjectStats  `json:"objects"` // of both products together
	Products ProductStats `json:"-"`       // each on its own
}

// ProductStats counts the objects of each product.
type ProductStats struct {
	Cloud      ObjectStats `json:"cloud"`
	DataCenter ObjectStats `json:"datacenter"`
}

// RequestStats counts requests since the start or the last reset. Total counts REST requests; token requests, git and
// whatever was cut off before it was understood are found in ByEndpoint.
type RequestStats struct {
	Total        int            `json:"total"`
	Limited      int            `json:"limited"`
	ByEndpoint   map[string]int `json:"by_endpoint"`
	ByCredential map[string]int `json:"by_credential"`
}

// ObjectStats counts what exists now. Users are the accounts that REST shows. In the Cloud these are members, and
// whoever opened, closed or reviewed a pull request; deleted accounts are not among them. On Data Center they are the
// active users, and the deleted ones that pull requests still show. Personal projects are projects too.
type ObjectStats struct {
	Projects     int `json:"projects"`
	Repositories int `json:"repositories"`
	PullRequests int `json:"pull_requests"`
	Users        int `json:"users"`
}

type stats struct {
	mu sync.Mutex
	RequestStats
}

func newStats() *stats {
	s := &stats{}
	s.reset()
	return s
}

func (s *stats) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.RequestStats = RequestStats{ByEndpoint: map[string]int{}, ByCredential: map[string]int{}}
}

// count records a request; only those of REST are part of the total.
func (s *stats) count(endpoint, credential string, limited bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ByEndpoint[endpoint]++
	if credential != "" {
		s.ByCredential[credential]++
	}
	if limited {
		s.Limited++
	}
	if strings.Contains(endpoint, " /2.0/") || strings.Contains(endpoint, " /1.0/") || strings.Contains(endpoint, " /rest/api/") || endpoint == "(unknown)" {
		s.Total++
	}
}

// Stats returns the counters.
func (s *Sandbox) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	r := s.stats.RequestStats
	r.ByEndpoint, r.ByCredential = maps.Clone(r.ByEndpoint), maps.Clone(r.ByCredential)
	p := ProductStats{Cloud: s.world.count(), DataCenter: s.dc().world.count()}
	return Stats{Requests: r, Objects: p.Cloud.plus(p.DataCenter), Products: p}
}

func (w *world) count() ObjectStats {
	return ObjectStats{Projects: w.projCount, Repositories: w.repoCount, PullRequests: w.prCount, Users: w.visibleUsers()}
}

func (o ObjectStats) plus(p ObjectStats) ObjectStats {
	return ObjectStats{
		Projects: o.Projects + p.Projects, Repositories: o.Repositories + p.Repositories, PullRequests: o.PullRequests + p.PullRequests, Users: o.Users + p.Users,
	}
}

func (w *world) visibleUsers() int {
	seen := make([]bool, len(w.users))
	n := 0
	see := func(u *user) {
		if u != nil && (!u.gone || w.instance) && !seen[u.index] {
			seen[u.index] = true
			n++
		}
	}
	if w.instance {
		for _, u := range w.users {
			if !u.gone {
				see(u)
			}
		}
	}
	for _, ws := range w.workspaces {
		for _, m := range ws.members {
			see(m.user)
		}
		for _, r := range ws.repos {
			for _, p := range r.prs {
				see(p.author)
				see(p.closedBy)
				for i := range p.people {
					see(p.people[i].user)
				}
			}
		}
	}
	return n
}

// ResetStats zeroes the request counters.
func (s *Sandbox) ResetStats() { s.stats.reset() }
