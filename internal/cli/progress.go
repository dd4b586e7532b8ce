package cli

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/windlass-hq/windlass/client"
)

// progress shows how far a run is: one line that is written over on a terminal, else a plain line every few seconds,
// always on Err.
type progress struct {
	s     *session
	label string

	mu      sync.Mutex
	start   time.Time
	last    time.Time // when something was shown
	told    time.Time // until when a line last said that nothing happens
	current client.Progress
	shown   bool // a line stands on the terminal and must be cleared
	stop    chan struct{}
	stopped sync.WaitGroup
}

const (
	firstLine  = time.Second            // what is faster shows nothing
	repaint    = 100 * time.Millisecond // on a terminal
	plainEvery = 5 * time.Second        // elsewhere
)

func (s *session) progress(label string) *progress {
	p := &progress{s: s, label: label, start: s.Now(), stop: make(chan struct{})}
	if s.Terminal {
		// A countdown moves although no event comes.
		p.stopped.Go(func() {
			t := time.NewTicker(time.Second)
			defer t.Stop()
			for {
				select {
				case <-p.stop:
					return
				case <-t.C:
					p.mu.Lock()
					p.paint(p.s.Now())
					p.mu.Unlock()
				}
			}
		})
	}
	return p
}

// show takes an event.
func (p *progress) show(e client.Progress) {
	if e.Phase == "done" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current.Phase == "pull requests" && e.Phase == "listing" {
		// Pages come in between; how many repositories are done stays the better measure.
		e.Phase, e.Done, e.Total = p.current.Phase, p.current.Done, p.current.Total
	}
	// That nothing happens for a while is told at once: no other event may come before the wait is over.
	// Several listings wait for the same moment, each in words of its own, within milliseconds of one another.
	waits := e.Waiting != nil && e.Waiting.Sub(p.told) >= time.Second
	p.current = e
	now := p.s.Now()
	if p.s.Terminal {
		if now.Sub(p.last) >= repaint {
			p.paint(now)
		}
		return
	}
	if waits && e.Waiting.Sub(now) >= firstLine || now.Sub(p.start) >= firstLine && now.Sub(p.last) >= plainEvery {
		p.last = now
		if e.Waiting != nil {
			p.told = *e.Waiting
		}
		p.s.note("%s: %s", p.label, p.text(now))
	}
}

func (p *progress) paint(now time.Time) {
	if p.current.Phase == "" || now.Sub(p.start) < firstLine {
		return
	}
	text := []rune(printable(p.label + ": " + p.text(now)))
	width := 80
	if p.s.Width != nil {
		if w := p.s.Width(); w >= 20 { // a terminal that does not know its size says 0
			width = w
		}
	}
	if len(text) >= width {
		text = append(text[:width-2], '…')
	}
	fmt.Fprintf(p.s.Err, "\r\x1b[K%s", string(text))
	p.shown, p.last = true, now
}

func (p *progress) text(now time.Time) string {
	e := p.current
	if e.Waiting != nil {
		left := e.Waiting.Sub(now).Round(time.Second)
		// The moment stands first, since a narrow terminal cuts the end off.
		return fmt.Sprintf("goes on in %s, at %s: %s", max(left, 0), e.Waiting.Local().Format("15:04:05"), e.Message)
	}
	var b strings.Builder
	b.WriteString(e.Phase)
	if e.Total > 0 {
		fmt.Fprintf(&b, " %s of %s", thousands(int64(e.Done)), thousands(int64(e.Total)))
	}
	if e.Phase != webhooks { // nobody counts their calls
		fmt.Fprintf(&b, ", %s calls", thousands(e.Calls))
	}
	if e.Objects > 0 {
		fmt.Fprintf(&b, ", %s objects", thousands(int64(e.Objects)))
	}
	if e.Message != "" {
		b.WriteString(", " + e.Message)
	}
	if e.Scope != "" {
		b.WriteString(", " + e.Scope)
	}
	return b.String()
}

// end clears the line.
func (p *progress) end() {
	close(p.stop)
	p.stopped.Wait()
	if p.shown {
		fmt.Fprint(p.s.Err, "\r\x1b[K")
	}
}
