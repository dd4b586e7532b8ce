package bitbucket_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

func TestEstimate(t *testing.T) {
	for name, c := range map[string]struct {
		repositories int
		counted      []int
		pulls, calls int
	}{
		"nothing there":                {0, nil, 0, 0},
		"nothing counted":              {7, nil, 0, 7},
		"all counted":                  {3, []int{0, 50, 51}, 101, 4},
		"a third counted":              {6, []int{10, 110}, 360, 12},
		"an empty repository is asked": {10, []int{0, 0}, 0, 10},
	} {
		t.Run(name, func(t *testing.T) {
			pulls, calls := bitbucket.Estimate(c.repositories, c.counted, 50)
			if pulls != c.pulls || calls != c.calls {
				t.Errorf("got %d pull requests and %d calls, want %d and %d", pulls, calls, c.pulls, c.calls)
			}
		})
	}
}

// TestEstimateOfAllIsExact compares the estimate with plain counting where every repository was looked at.
func TestEstimateOfAllIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counted := rapid.SliceOfN(rapid.IntRange(0, 500), 1, 40).Draw(t, "counted")
		page := rapid.IntRange(1, 100).Draw(t, "page")
		wantPulls, wantCalls := 0, 0
		for _, n := range counted {
			wantPulls += n
			wantCalls += bitbucket.Pages(n, page)
		}
		pulls, calls := bitbucket.Estimate(len(counted), counted, page)
		if pulls != wantPulls || calls != wantCalls {
			t.Errorf("got %d and %d, want %d and %d", pulls, calls, wantPulls, wantCalls)
		}
	})
}

func TestSample(t *testing.T) {
	if diff := cmp.Diff(bitbucket.Sample(3, 5), []int{0, 1, 2}); diff != "" {
		t.Errorf("few (-got +want):\n%s", diff)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 10_000).Draw(t, "n")
		most := rapid.IntRange(1, 50).Draw(t, "most")
		got := bitbucket.Sample(n, most)
		if len(got) != min(n, most) {
			t.Fatalf("%d picked of %d, want %d", len(got), n, min(n, most))
		}
		for i, at := range got {
			if at < 0 || at >= n || i > 0 && at <= got[i-1] {
				t.Fatalf("%v does not rise within %d", got, n)
			}
		}
	})
}
