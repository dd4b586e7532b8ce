package job

import (
	"context"
	"fmt"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// SQLite has no NOTIFY, so River would find new jobs by polling alone. listeningDriver gives River a listener that
// hears what this process inserts; another process on the file is found by the poll.
type listeningDriver struct {
	*riversqlite.Driver
	ears *ears
}

// SupportsListener implements riverdriver.Driver.
func (d listeningDriver) SupportsListener() bool { return true }

// GetListener implements riverdriver.Driver.
func (d listeningDriver) GetListener(*riverdriver.GetListenenerParams) riverdriver.Listener {
	return d.ears
}

// ears is a listener without a connection. One call to wake is remembered until it is heard; more are one.
type ears struct{ rung chan struct{} }

func newEars() *ears { return &ears{rung: make(chan struct{}, 1)} }

// wake makes River fetch. It may be called inside the transaction that inserts a job: the fetch needs the one
// connection that the transaction holds, so it comes after the commit.
func (e *ears) wake() {
	select {
	case e.rung <- struct{}{}:
	default:
	}
}

// insertTopic is River's topic for new jobs.
const insertTopic = "river_insert"

// WaitForNotification implements riverdriver.Listener.
func (e *ears) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	select {
	case <-e.rung:
		return &riverdriver.Notification{Topic: insertTopic, Payload: fmt.Sprintf(`{"queue": %q}`, queue)}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close implements riverdriver.Listener.
func (e *ears) Close(context.Context) error { return nil }

// Connect implements riverdriver.Listener.
func (e *ears) Connect(context.Context) error { return nil }

// Listen implements riverdriver.Listener.
func (e *ears) Listen(context.Context, string) error { return nil }

// Ping implements riverdriver.Listener.
func (e *ears) Ping(context.Context) error { return nil }

// Schema implements riverdriver.Listener.
func (e *ears) Schema() string { return "" }

// SetAfterConnectExec implements riverdriver.Listener.
func (e *ears) SetAfterConnectExec(string) {}

// Unlisten implements riverdriver.Listener.
func (e *ears) Unlisten(context.Context, string) error { return nil }
