package storetest

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// The environment that decides which server is used.
const (
	// ServerVariable names a running server to use instead of a throw-away one: postgres://… of a role that may
	// create databases.
	ServerVariable = "WINDLASS_TEST_POSTGRES"
	// RequireVariable makes absent server programs a failure instead of a reason to skip; .ci/run sets it to 1.
	RequireVariable = "WINDLASS_REQUIRE_POSTGRES"
)

// errNoServer says that this machine has no PostgreSQL server programs.
var errNoServer = errors.New("no PostgreSQL server programs in /usr/lib/postgresql/*/bin or PATH; install them (apt-get install postgresql) or set " + ServerVariable)

// cluster is a running throw-away server. Closing hold makes its guard stop it and remove its folder.
type cluster struct {
	server string // URL of its maintenance database
	hold   io.Closer
	guard  *exec.Cmd
}

// shared is the cluster of this process: started when first asked for, since most test runs of most packages never
// need it, and shared, since starting one takes about two seconds.
var shared struct {
	sync.Mutex
	cluster *cluster
	err     error
}

// Main runs the tests of a package and stops the cluster if one was started. Without it the cluster ends a moment
// after the process does.
//
//	func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }
func Main(m *testing.M) int {
	defer stopShared()
	return m.Run()
}

// leakPatience is how long MainWithoutLeaks waits for goroutines to end, however slow and busy the machine.
const leakPatience = time.Minute

// MainWithoutLeaks is Main for a package that must leave no goroutine behind. goleak itself waits for them for a
// second only.
func MainWithoutLeaks(m *testing.M) int {
	if code := Main(m); code != 0 {
		return code
	}
	for end := time.Now().Add(leakPatience); ; {
		err := goleak.Find()
		if err == nil {
			return 0
		}
		if time.Now().After(end) {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
}

// Postgres returns the URL of a new, empty PostgreSQL database which is dropped at the end of the test. It skips
// the test where the server programs are absent, or fails it where RequireVariable is 1.
func Postgres(t testing.TB) string {
	t.Helper()
	server, err := serverURL()
	if errors.Is(err, errNoServer) && os.Getenv(RequireVariable) != "1" {
		t.Skipf("PostgreSQL part skipped: %v", err)
	}
	if err != nil {
		t.Fatalf("PostgreSQL part: %v", err)
	}
	name := "wl_" + strings.ToLower(rand.Text()[:16])
	if err := execute(t.Context(), server, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create a test database: %v", err)
	}
	t.Cleanup(func() {
		// The context of t is canceled by now.
		if err := execute(context.Background(), server, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s: not a URL: %v", ServerVariable, err)
	}
	u.Path = "/" + name
	return u.String()
}

// serverURL returns the URL of the given server, or of the shared cluster, which it starts if need be.
func serverURL() (string, error) {
	if given := os.Getenv(ServerVariable); given != "" {
		return given, nil
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster == nil && shared.err == nil {
		shared.cluster, shared.err = startCluster()
	}
	if shared.err != nil {
		return "", shared.err
	}
	return shared.cluster.server, nil
}

func stopShared() {
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster != nil {
		shared.cluster.stop()
		shared.cluster = nil
	}
}

// guardScript makes the cluster, says "ready" and waits until standard input ends, which happens at the latest when
// the test process dies, however it dies. Then it stops the server and removes the folder.
//
// Nothing here tests what survives a power cut of the server, so fsync is off; synchronous_commit stays on because
// the store insists on it. Minimal WAL and no autovacuum keep the WAL still while nobody writes.
const guardScript = `
bin=$1 dir=$2 server=
clean() {
	if [ -n "$server" ]; then
		kill -QUIT "$server"
		wait "$server"
	fi
	cd / && rm -rf "$dir"
}
fail() {
	tail -n 5 "$dir/log"
	exit 1
}
trap clean EXIT
trap 'exit 1' HUP INT TERM
cd "$dir" || exit 1
"$bin/initdb" -D "$dir/data" -U windlass -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1 </dev/null || fail
"$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off -c full_page_writes=off -c wal_level=minimal \
	-c max_wal_senders=0 -c autovacuum=off -c max_connections=200 -c shared_buffers=64MB >"$dir/log" 2>&1 </dev/null &
server=$!
until "$bin/pg_isready" -q -h "$dir"; do
	kill -0 "$server" 2>/dev/null || fail
	sleep 0.02
done
echo ready
read -r end
`

func startCluster() (*cluster, error) {
	bin, err := serverPrograms()
	if err != nil {
		return nil, err
	}
	// Not t.TempDir: the folder belongs to another user, outlives single tests, and a socket's path is at most 107
	// bytes long.
	dir, err := os.MkdirTemp("/tmp", "windlass-pg-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for PostgreSQL: %w", err)
	}
	guard := exec.Command("/bin/sh", "-c", guardScript, "guard", bin, dir)
	if err := unprivileged(guard, dir); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	hold, err := guard.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := guard.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := guard.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("start the guard of PostgreSQL: %w", err)
	}
	c := &cluster{hold: hold, guard: guard, server: "postgres://windlass@/postgres?host=" + url.QueryEscape(dir)}
	reader := bufio.NewReader(out)
	if line, _ := reader.ReadString('\n'); line != "ready\n" {
		rest, _ := io.ReadAll(reader)
		c.stop()
		return nil, fmt.Errorf("start PostgreSQL of %s: %s%s", bin, line, rest)
	}
	return c, nil
}

// stop ends the server and waits until its folder is gone.
func (c *cluster) stop() {
	c.hold.Close()
	// The guard's exit status says nothing that anybody could act on.
	_ = c.guard.Wait()
}

// serverPrograms returns the folder of the newest server programs.
func serverPrograms() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	if len(found) > 0 {
		newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
		return filepath.Dir(newest), nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errNoServer
}

// execute runs one statement on a connection of its own.
func execute(ctx context.Context, server, statement string) error {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}
