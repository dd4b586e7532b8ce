package storetest_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/store/storetest"
)

// The environment of a child process that writes until it is killed or the disk is full.
const (
	childDir   = "WINDLASS_STORETEST_DIR"
	childURL   = "WINDLASS_STORETEST_URL"
	childLimit = "WINDLASS_STORETEST_LIMIT" // largest file in bytes; empty for none
	childScope = "WINDLASS_STORETEST_SCOPE"
)

func TestMain(m *testing.M) {
	if os.Getenv(childScope) != "" {
		if err := writeForever(context.Background()); err != nil {
			fmt.Println("failed", err)
		}
		os.Exit(1)
	}
	// Fewer sequences than rapid's default, so that both databases take well under a minute; -rapid.checks asks for more.
	if err := flag.Set("rapid.checks", "30"); err != nil {
		panic(err) // rapid has dropped the flag
	}
	os.Exit(storetest.Main(m))
}

// writeForever applies one batch after another and prints the number of each after it was acknowledged.
func writeForever(ctx context.Context) error {
	if limit := os.Getenv(childLimit); limit != "" {
		n, err := strconv.ParseUint(limit, 10, 64)
		if err != nil {
			return err
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	scope, err := strconv.ParseInt(os.Getenv(childScope), 10, 64)
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, store.Options{Dir: os.Getenv(childDir), URL: os.Getenv(childURL), Key: storetest.Key(), Now: time.Now})
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if _, err := s.Apply(ctx, batch(scope, time.Now(), bulk(n)...)); err != nil {
			return err
		}
		fmt.Println("acknowledged", n)
	}
}

// child runs writeForever in a process of its own. It kills the process after some acknowledgements, or never where
// after is 0, and returns how many batches were acknowledged and the last line.
func (f *fixture) child(after int, limit string) (acknowledged int, last string) {
	f.Helper()
	cmd := exec.CommandContext(f.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+f.db.Dir, childURL+"="+f.db.URL, childLimit+"="+limit,
		childScope+"="+strconv.FormatInt(f.scope(f.one, "r", "pulls"), 10))
	out, err := cmd.StdoutPipe()
	f.ok(err)
	f.ok(f.store.Close())
	f.ok(cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		last = lines.Text()
		if !strings.HasPrefix(last, "acknowledged ") {
			break
		}
		// Lines that come after the signal count too: what was printed was acknowledged.
		if acknowledged++; acknowledged == after {
			f.ok(cmd.Process.Kill())
		}
	}
	_ = cmd.Wait() // it never ends well
	if f.db.URL != "" {
		f.alone()
	}
	f.store = f.db.Open(f.T)
	return acknowledged, last
}

// alone waits until PostgreSQL has noticed that a killed process is gone: until then it may still commit what that
// process had sent.
func (f *fixture) alone() {
	f.Helper()
	conn, err := pgx.Connect(f.Context(), f.db.URL)
	f.ok(err)
	defer conn.Close(f.Context())
	for others := 1; others > 0; {
		f.ok(conn.QueryRow(f.Context(), `SELECT count(*) FROM pg_stat_activity, pg_sleep(0.01)
			WHERE datname = current_database() AND pid <> pg_backend_pid()`).Scan(&others))
	}
}

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	each(t, func(f *fixture) {
		for _, after := range []int{1, 7, 40} {
			n, last := f.child(after, "")
			if n < after {
				f.Fatalf("%d batches acknowledged, want at least %d; last words: %s", n, after, last)
			}
			f.consistent(n * bulkSize)
		}
	})
}

func TestFileThatMayNotGrowIsNamedAndLosesNothing(t *testing.T) {
	f := sqliteFixture(t)
	n, last := f.child(0, "6000000")
	if n == 0 {
		f.Fatalf("nothing was written before the limit; last words: %s", last)
	}
	if !strings.HasPrefix(last, "failed ") || !strings.Contains(last, "disk") || !strings.Contains(last, "space") {
		f.Errorf("last words %q do not name the disk and its space", last)
	}
	f.consistent(n * bulkSize)
	f.apply(f.scope(f.one, "r", "pulls"), bulk(n)...)
	f.consistent((n + 1) * bulkSize)
}
