package sandbox_test

import (
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket/sandbox"
)

// large is the size of DESIGN's speed budget: 1,000 repositories, 50,000 pull requests.
func large() sandbox.Options {
	return sandbox.Options{Repositories: 1000, PullRequests: 50000, Users: 500}
}

// busiest returns the repository of acme with the most pull requests.
func busiest(b *testing.B, base string) (name string, prs int) {
	b.Helper()
	for _, r := range walk(b, base+"/cloud/2.0/repositories/acme?pagelen=100&fields=next,values.full_name") {
		full := r["full_name"].(string)
		page := want(b, http.StatusOK, base+"/cloud/2.0/repositories/"+full+"/pullrequests?state=ALL&pagelen=1&fields=size")
		if n := int(page["size"].(float64)); n > prs {
			name, prs = full, n
		}
	}
	return name, prs
}

func hammer(b *testing.B, target func(i int) string, bearer string) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.ResetTimer()
	begin := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			req, err := http.NewRequest(http.MethodGet, target(i), nil)
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer "+bearer)
			resp, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				b.Error(resp.Status)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "answers/s")
	b.StopTimer()
	client.CloseIdleConnections()
}

func BenchmarkSingleRead(b *testing.B) {
	_, base := start(b, large())
	name, n := busiest(b, base)
	hammer(b, func(i int) string {
		return base + "/cloud/2.0/repositories/" + name + "/pullrequests/" + strconv.Itoa(i%n+1)
	}, token)
}

func BenchmarkPullRequestPage(b *testing.B) {
	_, base := start(b, large())
	name, n := busiest(b, base)
	hammer(b, func(i int) string {
		return base + "/cloud/2.0/repositories/" + name + "/pullrequests?state=ALL&pagelen=50&fields=%2Bvalues.participants,%2Bvalues.reviewers&page=" +
			strconv.Itoa(i%(n/50)+1)
	}, token)
}

func BenchmarkGenerate(b *testing.B) {
	for b.Loop() {
		if _, err := sandbox.New(large()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDataCenterPullRequestPage(b *testing.B) {
	_, base := start(b, large())
	name, n := "", 0
	api := base + "/dc/rest/api/latest"
	for _, r := range dcWalk(b, dcToken, api+"/repos?limit=1000") {
		one := api + "/projects/" + at(r, "project.key").(string) + "/repos/" + r["slug"].(string) + "/pull-requests?state=ALL&limit=100"
		page := dcWant(b, dcToken, http.StatusOK, one+"&start=500")
		if page["size"].(float64) == 100 {
			name, n = one, 600
			break
		}
	}
	hammer(b, func(i int) string { return name + "&start=" + strconv.Itoa(i%(n/100)*100) }, dcToken)
}

func BenchmarkGenerateBoth(b *testing.B) {
	for b.Loop() {
		s, err := sandbox.New(large())
		if err != nil {
			b.Fatal(err)
		}
		if n := s.Stats().Objects.PullRequests; n != 100000 {
			b.Fatal(n)
		}
	}
}
