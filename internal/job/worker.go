package job

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// Worker does one kind of work. Its function must be able to run twice: a process may die after the work and before
// the note of it.
type Worker struct {
	Kind string // River's name of the job; two or more letters

	// Pattern names the rows of work that this worker works off, as path.Match understands it: "connection/*/sync".
	// A worker without a pattern is woken by Insert alone and has nothing but River's job to remember it.
	Pattern string

	// Lane returns the lane of a row, such as "connection/3", so that at most Options.Concurrency of that lane run at
	// once in this process. Nil, or "", for none. Across processes, Exclusive does it.
	Lane func(t Task) string

	Background bool // runs in the lane Background instead of Foreground
	Priority   int  // 1, first, to 4; 2 where zero

	// Work does what the row asks for. It answers nil when everything that was wanted before it began is done,
	// Snooze when it wants to go on later, GiveUp when trying again is of no use, and any other error to be tried
	// again after a pause. It must return soon after ctx ends.
	Work func(ctx context.Context, t Task) error
}

// Task is what a worker is asked to do.
type Task struct {
	Name    string   // of the row of work, or the key that Insert was given
	Stars   []string // what the stars of the worker's pattern stand for: "3" in connection/3/sync
	Attempt int      // counted from 1; failures count, snoozes do not
}

// snooze asks to be run again.
type snooze struct{ after time.Duration }

func (s snooze) Error() string { return fmt.Sprintf("goes on in %s", s.after) }

// Snooze is what a worker returns to go on later without having failed. Snooze(0) lets others of its lane go first.
func Snooze(after time.Duration) error { return snooze{max(after, 0)} }

// giveUp ends work that cannot succeed.
type giveUp struct{ err error }

func (g giveUp) Error() string { return g.err.Error() }
func (g giveUp) Unwrap() error { return g.err }

// GiveUp is what a worker returns when trying again is of no use: the work counts as done, with err as its reason,
// until it is rung again.
func GiveUp(err error) error {
	if err == nil {
		err = errors.New("given up")
	}
	return giveUp{err}
}

// match returns what the stars of the pattern stand for in name.
func match(pattern, name string) ([]string, bool) {
	if pattern == "" {
		return nil, false
	}
	if ok, err := path.Match(pattern, name); !ok || err != nil {
		return nil, false
	}
	var stars []string
	parts := strings.Split(name, "/")
	for i, p := range strings.Split(pattern, "/") {
		if p == "*" && i < len(parts) {
			stars = append(stars, parts[i])
		}
	}
	return stars, true
}

// workerOf returns the worker of a row of work; the first whose pattern fits.
func (e *Engine) workerOf(name string) (*Worker, bool) {
	for i := range e.Workers {
		if _, ok := match(e.Workers[i].Pattern, name); ok {
			return &e.Workers[i], true
		}
	}
	return nil, false
}

// workerOfKind returns the worker of a kind of job.
func (e *Engine) workerOfKind(kind string) (*Worker, bool) {
	for i := range e.Workers {
		if e.Workers[i].Kind == kind {
			return &e.Workers[i], true
		}
	}
	return nil, false
}

func (w *Worker) task(name string, attempt int) Task {
	stars, _ := match(w.Pattern, name)
	return Task{Name: name, Stars: stars, Attempt: attempt}
}

// lanesOf returns the lanes that a job of w is in.
func (w *Worker) lanesOf(t Task, own string) []string {
	if own == "" && w.Lane != nil {
		own = w.Lane(t)
	}
	class := Foreground
	if w.Background {
		class = Background
	}
	if own == "" || own == class {
		return []string{class}
	}
	return []string{own, class}
}
