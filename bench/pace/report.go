package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

// print writes what the instance of a scene saw, beside what was configured.
func (s scene) print(r record, pace bitbucket.Throttle) {
	seconds := r.seconds(s.length)
	most := r.window(time.Second)
	fmt.Printf("\n%s: %d requests in %v, %.2f a second\n", s.title, len(r.begun), s.length, float64(len(r.begun))/s.length.Seconds())
	fmt.Printf("  most within any one second: %d (configured %v; a second's edges and the network allow one more: %s)\n", most, pace.PerSecond,
		verdict(float64(most) <= pace.PerSecond+1))
	fmt.Printf("  most within any ten seconds: %d (configured %v)\n", r.window(10*time.Second), 10*pace.PerSecond)
	fmt.Printf("  most in flight: %d (configured %d: %s)\n", r.most, pace.InFlight, verdict(r.most <= pace.InFlight))
	if r.failed > 0 {
		fmt.Printf("  answered with 503: %d\n", r.failed)
	}
	fmt.Println("  requests in every second:")
	fmt.Printf("    %s\n", digits(seconds))
	if l := levels(r.levels); l != "" {
		fmt.Printf("  part of the pace that was used: %s\n", l)
	}
	fmt.Println("  seconds with so many requests:")
	count := map[int]int{}
	highest := 0
	for _, n := range seconds {
		count[n]++
		highest = max(highest, n)
	}
	for n := range highest + 1 {
		fmt.Printf("    %2d  %-*s %d\n", n, len(seconds), strings.Repeat("█", count[n]), count[n])
	}
}

// seconds counts the requests of every whole second.
func (r record) seconds(length time.Duration) []int {
	all := make([]int, int(length/time.Second))
	for _, at := range r.begun {
		if i := int(at / time.Second); i < len(all) {
			all[i]++
		}
	}
	return all
}

// window returns the largest number of requests within any span of that length, wherever it begins.
func (r record) window(length time.Duration) int {
	most, first := 0, 0
	for i, at := range r.begun {
		for at-r.begun[first] >= length {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// digits writes small numbers in groups of ten.
func digits(all []int) string {
	var b strings.Builder
	for i, n := range all {
		if i > 0 && i%10 == 0 {
			b.WriteByte(' ')
		}
		fmt.Fprint(&b, n)
	}
	return b.String()
}

// levels tells when the level changed; nothing where it never did.
func levels(all []float64) string {
	var parts []string
	last := 1.0
	for i, l := range all {
		if l != last {
			parts = append(parts, fmt.Sprintf("%.0f %% from second %d", 100*l, i+1))
			last = l
		}
	}
	return strings.Join(parts, ", ")
}

func verdict(ok bool) string {
	if ok {
		return "kept"
	}
	return "NOT kept"
}
