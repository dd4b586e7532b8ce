package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

const (
	// allowedConstant is how many calls beside the lists a sync may make at any size: token, workspace, and the pages of
	// projects and members, which grow with neither repositories nor pull requests.
	allowedConstant = 40
	// defaultRate is how many calls a second a Data Center is asked unless its connection says otherwise.
	defaultRate = 5
)

// allowed is how many calls beside the lists the course may make. A further consumer is asked what it sees, which
// takes the pages of the repositories once more.
func (c course) allowed() int {
	return allowedConstant + (c.consumers-1)*(pagesOf(c.size.repositories, c.product.repositories())+allowedConstant/4)
}

// terms says how the course asks.
func (c course) terms() string {
	text := "1 consumer"
	if c.consumers > 1 {
		text = fmt.Sprintf("%d consumers", c.consumers)
	}
	if c.product == cloud {
		return text + ", no limit"
	}
	if c.paced {
		return text + ", the default pace"
	}
	return text + ", no pace"
}

// print writes the figures of one course, each beside what it is measured against.
func (f figures) print(out io.Writer) {
	w := f.written
	fmt.Fprintf(out, "\n%s: %d repositories, %d pull requests, latency %v, %s (sandbox ready in %.1f s)\n",
		f.course.product.title(), w.repositories, w.pullRequests, f.course.latency, f.course.terms(), f.ready.Seconds())
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, figure, beside string) { fmt.Fprintf(table, "  %s\t%s\t%s\n", name, figure, beside) }

	page := f.course.product.repositories()
	lists := pagesOf(w.repositories, page) + w.lists
	peer := (w.repositories+9)/10 + 4*w.repositories + 3*w.pullRequests
	row("REST calls, first sync", fmt.Sprint(f.first.requests), fmt.Sprintf("ceil(R/%d) + Σ max(1, ceil(P_r/%d)) = %d, %d beside them: %s",
		page, f.course.product.pulls(), lists, f.first.requests-lists, verdict(f.first.requests <= lists+f.course.allowed())))
	row("", "", fmt.Sprintf("the peer, R/10 + 4R + 3P: %d, that is %.0f times as many", peer, float64(peer)/float64(f.first.requests)))
	row("calls as windlass counts them", fmt.Sprint(f.first.summary.Calls), "")
	row("seconds, first sync", fmt.Sprintf("%.1f", f.first.seconds), fmt.Sprintf("%.1f s of CPU; %.0f objects/s", f.first.usage.cpu.Seconds(), float64(w.rows["entity"])/f.first.seconds))
	row("graph rows (entity, rel)", fmt.Sprint(w.graph()), fmt.Sprintf("%.0f rows/s", float64(w.graph())/f.first.seconds))
	row("all rows of the graph", fmt.Sprint(w.all()), fmt.Sprintf("%.0f rows/s", float64(w.all())/f.first.seconds))
	if f.bare > 0 {
		row("the same as bare inserts", fmt.Sprintf("%.1f s", f.bare.Seconds()), fmt.Sprintf("%.0f rows/s; the whole sync runs at %.0f %% of it (budget for writing alone: 50 %%)",
			float64(w.all())/f.bare.Seconds(), 100*f.bare.Seconds()/f.first.seconds))
	}
	row("peak memory, first sync", megabytes(f.first.usage.own), fmt.Sprintf("budget 250 MB: %s (%s with mapped files)",
		verdict(f.first.usage.own <= 250_000_000), megabytes(f.first.usage.resident)))
	if f.course.again {
		row("second sync", fmt.Sprintf("%.1f s", f.second.seconds), fmt.Sprintf("%.1f s of CPU, %d calls, %s, changes written: %d", f.second.usage.cpu.Seconds(),
			f.second.requests, megabytes(f.second.usage.own), f.second.summary.Changes.Created+f.second.summary.Changes.Updated+f.second.summary.Changes.Deleted))
	}
	if f.course.paced {
		row("calls per second", fmt.Sprintf("%.2f", float64(f.first.requests)/f.first.seconds), fmt.Sprintf("the default pace allows %d; at it the peer takes %.0f s",
			defaultRate, float64(peer)/defaultRate))
	}
	table.Flush()

	fmt.Fprintln(out, "  requests of the first sync by endpoint:")
	endpoints := slices.SortedFunc(maps.Keys(f.first.byEndpoint), func(a, b string) int {
		return cmp.Or(cmp.Compare(f.first.byEndpoint[b], f.first.byEndpoint[a]), cmp.Compare(a, b))
	})
	for _, endpoint := range endpoints {
		fmt.Fprintf(out, "  %8d  %s\n", f.first.byEndpoint[endpoint], endpoint)
	}
}

func pagesOf(n, size int) int { return max(1, (n+size-1)/size) }

func verdict(ok bool) string {
	if ok {
		return "within the budget"
	}
	return "OVER the budget"
}

func megabytes(n int64) string {
	if n == 0 {
		return "not measured here"
	}
	return fmt.Sprintf("%d MB", (n+500_000)/1_000_000)
}
