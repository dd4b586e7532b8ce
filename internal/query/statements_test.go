package query

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// TestStatementsStayPrepared asks texts more than once, more of them than are kept: what was asked twice is prepared, and
// the one that was asked least recently is dropped.
func TestStatementsStayPrepared(t *testing.T) {
	s := &statements{db: storetest.SQLite(t).Open(t).Reader()}
	ask := func(n int) {
		t.Helper()
		var got int
		if err := s.row(t.Context(), fmt.Sprintf("SELECT %d + $1", n), []any{1}, &got); err != nil {
			t.Fatal(err)
		}
		if got != n+1 {
			t.Errorf("got %d, want %d", got, n+1)
		}
	}
	prepared := func() (n int) {
		for _, k := range s.known {
			if k.stmt != nil {
				n++
			}
		}
		return n
	}
	for i := range statementsKept {
		ask(i)
	}
	if got := prepared(); got != 0 {
		t.Errorf("%d statements were prepared though each was asked once", got)
	}
	for i := range statementsKept {
		ask(i)
	}
	if got := prepared(); got != statementsKept {
		t.Errorf("%d statements are prepared, want %d", got, statementsKept)
	}
	ask(0) // the next to go is 1
	first := s.known[0].text
	ask(statementsKept)
	if got, want := first, "SELECT 1 + $1"; got != want {
		t.Errorf("dropped %q, want %q", got, want)
	}
	if got := prepared(); len(s.known) != statementsKept || got != statementsKept-1 {
		t.Errorf("%d texts are known and %d prepared, want %d and %d", len(s.known), got, statementsKept, statementsKept-1)
	}
}

// TestStatementsAreDroppedWhileInUse lets many ask more texts than are kept at once, and read rows of one that is dropped.
func TestStatementsAreDroppedWhileInUse(t *testing.T) {
	s := &statements{db: storetest.SQLite(t).Open(t).Reader()}
	const text = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999) SELECT i FROM n"
	if err := s.row(t.Context(), text, nil, new(int)); err != nil {
		t.Fatal(err)
	}
	rows, err := s.query(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all sync.WaitGroup
	for w := range 3 {
		all.Go(func() {
			for i := range 10 * statementsKept {
				var got int
				if err := s.row(t.Context(), fmt.Sprintf("SELECT %d", i/2*(w%2+1)), nil, &got); err != nil || got != i/2*(w%2+1) {
					t.Errorf("got %d and error %v", got, err)
					return
				}
			}
		})
	}
	all.Wait()
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil || n != 1000 {
		t.Errorf("read %d rows and error %v, want 1000 and none", n, err)
	}
}

// TestStatementsReportErrors asks twice what cannot be prepared, and with a context that has ended.
func TestStatementsReportErrors(t *testing.T) {
	s := &statements{db: storetest.SQLite(t).Open(t).Reader()}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		if err := s.row(t.Context(), "SELECT nothing FROM nowhere", nil, new(int)); err == nil {
			t.Error("a table that does not exist was read")
		}
		if err := s.row(ended, "SELECT 1", nil, new(int)); err == nil {
			t.Error("a query ran though its context had ended")
		}
	}
	var one int
	if err := s.row(t.Context(), "SELECT 1", nil, &one); err != nil || one != 1 {
		t.Errorf("got %d and error %v, want 1", one, err)
	}
}
