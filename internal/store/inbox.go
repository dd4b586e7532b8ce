package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

// Delivery is a request of a webhook as it came.
type Delivery struct {
	ID         int64
	Hook       string
	Connection int64
	RequestID  string // as the provider numbered it; empty where it did not
	Event      string // key in the header
	ReceivedAt time.Time
	Request    Request
	Body       []byte
	Size       int

	State     DeliveryState
	Verdict   string // how it was believed: signed, signed with the former secret, unsigned
	Effect    string // what it did, or why nothing
	AppliedAt *time.Time
}

// Request is what is kept of a request beside its body.
type Request struct {
	Method  string              `json:"method"`
	Path    string              `json:"path"`
	Query   string              `json:"query,omitempty"`
	Headers map[string][]string `json:"headers,omitempty"` // those on the list of what may be kept
}

// DeliveryState is what became of a delivery.
type DeliveryState string

// The states.
const (
	DeliveryNew        DeliveryState = "new"
	DeliveryDone       DeliveryState = "done"
	DeliveryDuplicate  DeliveryState = "duplicate"    // the same came before
	DeliveryOutOfScope DeliveryState = "out_of_scope" // it is about what its hook was not made for
	DeliveryFailed     DeliveryState = "failed"       // it could not be read or applied
)

// Inbox keeps deliveries from the moment they are answered. On SQLite it is a file of its own, since a commit in the
// graph's file would wait for a sync that writes there (measured: reference/storage.md, section 6); on PostgreSQL a
// table. What was applied is marked here and not in the graph's transaction: a delivery that is applied twice changes
// nothing the second time.
//
// Bodies are encrypted with a key of the inbox, which lies sealed in the graph's database.
type Inbox struct {
	s      *Store
	writer *sql.DB
	reader *sql.DB
	own    bool // the handles are the inbox's own
	box    cipher.AEAD
}

// inboxFile is the name of the inbox in the data directory.
const inboxFile = "inbox.db"

// inboxSchema is the first and only form of the file yet; PRAGMA user_version tells.
const inboxSchema = `
CREATE TABLE inbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, hook TEXT NOT NULL, connection_id BIGINT NOT NULL, request_id TEXT NOT NULL,
  body_hash BLOB NOT NULL, received_at BIGINT NOT NULL, event TEXT NOT NULL, request TEXT NOT NULL, body BLOB NOT NULL, size BIGINT NOT NULL,
  state TEXT NOT NULL, verdict TEXT NOT NULL, effect TEXT NOT NULL, applied_at BIGINT
);
CREATE INDEX inbox_new ON inbox (connection_id, id) WHERE state = 'new';
CREATE INDEX inbox_hook ON inbox (hook, id);
CREATE INDEX inbox_request ON inbox (hook, request_id);
CREATE INDEX inbox_body ON inbox (hook, body_hash);
CREATE INDEX inbox_received ON inbox (received_at);
PRAGMA user_version = 1;`

// OpenInbox opens the inbox of this database and makes it where there is none.
func (s *Store) OpenInbox(ctx context.Context) (*Inbox, error) {
	in := &Inbox{s: s, writer: s.writer, reader: s.reader}
	if !s.dialect.postgres {
		if err := in.openFile(ctx); err != nil {
			return nil, errors.Join(err, in.Close())
		}
	}
	key, err := s.dataKey(ctx, "inbox")
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	block, err := aes.NewCipher(key)
	if err == nil {
		in.box, err = cipher.NewGCM(block)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("key of the inbox: %w", err), in.Close())
	}
	return in, nil
}

func (in *Inbox) openFile(ctx context.Context) error {
	file := filepath.Join(filepath.Dir(in.s.file), inboxFile)
	in.own = true
	var err error
	if in.writer, err = openSQLiteFile(file, 1, "_txlock=immediate", "journal_mode(WAL)", "synchronous(FULL)", "wal_autocheckpoint(4000)"); err != nil {
		return err
	}
	if in.reader, err = openSQLiteFile(file, max(2, runtime.NumCPU()), "", "query_only(1)"); err != nil {
		return err
	}
	var version int
	if err := in.writer.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	switch version {
	case 0:
		if _, err := in.writer.ExecContext(ctx, "BEGIN;"+inboxSchema+"COMMIT;"); err != nil {
			return fmt.Errorf("make %s: %w", file, err)
		}
	case 1:
	default:
		return fault.New(fault.Invalid, "the inbox %s has schema %d, which this version does not know", file, version).
			With("use the version of Windlass that made it, or a newer one")
	}
	return protect(file)
}

// Close closes what the inbox has of its own. It may be called twice.
func (in *Inbox) Close() error {
	if !in.own {
		return nil
	}
	var errs []error
	for _, db := range []*sql.DB{in.writer, in.reader} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// dataKey returns a key that data is encrypted with, and makes it where there is none.
func (s *Store) dataKey(ctx context.Context, name string) ([]byte, error) {
	at := Place{Table: "data_key", Row: name, Column: "value"}
	read := func(q querier) ([]byte, error) {
		var sealed Sealed
		if err := q.QueryRowContext(ctx, "SELECT value FROM data_key WHERE name = $1", name).Scan(&sealed); err != nil {
			return nil, err
		}
		text, err := s.keys.Open(sealed, at)
		if err != nil {
			return nil, err
		}
		return base64.StdEncoding.DecodeString(text)
	}
	key, err := read(s.reader)
	if !errors.Is(err, sql.ErrNoRows) {
		return key, s.failure(err)
	}
	err = s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		fresh := make([]byte, keySize)
		if _, err := rand.Read(fresh); err != nil {
			return fault.Wrap(err, fault.Internal, "no randomness for a key")
		}
		sealed, err := s.Seal(ctx, tx, base64.StdEncoding.EncodeToString(fresh), at)
		if err != nil {
			return err
		}
		// Of two processes that do so at once the first wins.
		if _, err := tx.ExecContext(ctx, "INSERT INTO data_key (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", name, sealed); err != nil {
			return fmt.Errorf("store a key: %w", err)
		}
		key, err = read(tx)
		return err
	})
	return key, err
}

// Put stores deliveries in one transaction and returns their ids and states: new, or duplicate where the hook brought
// the same request, or the same body for the same event, before: that a repository came and that it went have one body on
// the Cloud. Once it returns they survive a power cut.
func (in *Inbox) Put(ctx context.Context, deliveries []*Delivery) error {
	tx, err := in.writer.BeginTx(ctx, nil)
	if err != nil {
		return in.s.failure(fmt.Errorf("begin: %w", err))
	}
	if err := in.put(ctx, tx, deliveries); err != nil {
		return in.s.failure(errors.Join(err, rollback(tx)))
	}
	if err := tx.Commit(); err != nil {
		return in.s.failure(fmt.Errorf("commit: %w", err))
	}
	return nil
}

func (in *Inbox) put(ctx context.Context, tx *sql.Tx, deliveries []*Delivery) error {
	for _, d := range deliveries {
		sum := sha256.Sum256(d.Body)
		var before int64
		// What failed may be sent once more, such as by a person who has mended the cause.
		err := tx.QueryRowContext(ctx, `SELECT id FROM inbox WHERE hook = $1 AND body_hash = $2 AND event = $4 AND state NOT IN ('failed', 'duplicate')
			UNION ALL SELECT id FROM inbox WHERE hook = $1 AND request_id = $3 AND request_id <> '' AND state NOT IN ('failed', 'duplicate') LIMIT 1`, d.Hook, sum[:], d.RequestID, d.Event).Scan(&before)
		switch {
		case err == nil:
			d.State, d.Effect = DeliveryDuplicate, fmt.Sprintf("the same as delivery %d", before)
		case errors.Is(err, sql.ErrNoRows):
			if d.State == "" {
				d.State = DeliveryNew
			}
		default:
			return fmt.Errorf("look for the same delivery: %w", err)
		}
		request, err := json.Marshal(d.Request)
		if err != nil {
			return fmt.Errorf("store a delivery: %w", err)
		}
		body, err := in.seal(d.Hook, d.Body)
		if err != nil {
			return err
		}
		d.Size = len(d.Body)
		err = tx.QueryRowContext(ctx, `INSERT INTO inbox (hook, connection_id, request_id, body_hash, received_at, event, request, body, size, state, verdict, effect)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id`,
			d.Hook, d.Connection, d.RequestID, sum[:], d.ReceivedAt.UnixMicro(), d.Event, string(request), body, d.Size,
			string(d.State), d.Verdict, d.Effect).Scan(&d.ID)
		if err != nil {
			return fmt.Errorf("store a delivery: %w", err)
		}
	}
	return nil
}

// seal encrypts a body for the deliveries of one hook.
func (in *Inbox) seal(hook string, body []byte) ([]byte, error) {
	nonce := make([]byte, in.box.NonceSize(), in.box.NonceSize()+len(body)+in.box.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "no randomness to encrypt a delivery")
	}
	return in.box.Seal(nonce, nonce, body, []byte(hook)), nil
}

func (in *Inbox) open(hook string, sealed []byte) ([]byte, error) {
	n := in.box.NonceSize()
	if len(sealed) < n {
		return nil, fault.New(fault.Internal, "a delivery of hook %s is damaged", hook)
	}
	body, err := in.box.Open(nil, sealed[:n], sealed[n:], []byte(hook))
	if err != nil {
		return nil, fault.New(fault.Internal, "a delivery of hook %s does not open: it was changed or belongs elsewhere", hook)
	}
	return body, nil
}

const inboxColumns = `id, hook, connection_id, request_id, received_at, event, request, size, state, verdict, effect, applied_at`

func (in *Inbox) scan(withBody bool) func(row interface{ Scan(...any) error }) (Delivery, error) {
	return func(row interface{ Scan(...any) error }) (Delivery, error) {
		var d Delivery
		var received int64
		var applied sql.NullInt64
		var request string
		var body []byte
		into := []any{&d.ID, &d.Hook, &d.Connection, &d.RequestID, &received, &d.Event, &request, &d.Size, &d.State, &d.Verdict, &d.Effect, &applied}
		if withBody {
			into = append(into, &body)
		}
		if err := row.Scan(into...); err != nil {
			return d, err
		}
		d.ReceivedAt, d.AppliedAt = timeOf(received), timePtr(applied)
		if err := json.Unmarshal([]byte(request), &d.Request); err != nil {
			return d, fmt.Errorf("delivery %d: %w", d.ID, err)
		}
		if !withBody {
			return d, nil
		}
		var err error
		if d.Body, err = in.open(d.Hook, body); err != nil && d.State == DeliveryNew {
			// It must not hold up what comes after it: whoever applies it finds that it has failed.
			d.State, d.Effect, err = DeliveryFailed, err.Error(), nil
		}
		return d, err
	}
}

func (in *Inbox) collect(ctx context.Context, withBody bool, query string, args ...any) ([]Delivery, error) {
	rows, err := in.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, in.s.failure(fmt.Errorf("read deliveries: %w", err))
	}
	defer func() { _ = rows.Close() }() // Err below has what matters
	var out []Delivery
	for rows.Next() {
		d, err := in.scan(withBody)(rows)
		if err != nil {
			return nil, in.s.failure(err)
		}
		out = append(out, d)
	}
	return out, in.s.failure(rows.Err())
}

// newAtOnce is how many bytes of bodies New returns at most, beyond the first.
const newAtOnce = 32 << 20

// New returns deliveries of a connection that wait to be applied, in the order in which they came: so many, or fewer
// where they are large. One whose body is damaged comes as failed, with the reason as its effect and without a body.
func (in *Inbox) New(ctx context.Context, connection int64, limit int) ([]Delivery, error) {
	return in.collect(ctx, true, `SELECT `+inboxColumns+`, body FROM inbox WHERE id IN (
			SELECT id FROM (SELECT id, SUM(size) OVER (ORDER BY id) - size AS earlier FROM (
				SELECT id, size FROM inbox WHERE connection_id = $1 AND state = 'new' ORDER BY id LIMIT $2) waiting) weighed WHERE earlier <= $3)
		ORDER BY id`, connection, limit, newAtOnce)
}

// Waiting returns the connections that have deliveries to be applied.
func (in *Inbox) Waiting(ctx context.Context) ([]int64, error) {
	rows, err := in.reader.QueryContext(ctx, `SELECT DISTINCT connection_id FROM inbox WHERE state = 'new' ORDER BY connection_id`)
	if err != nil {
		return nil, in.s.failure(fmt.Errorf("read deliveries: %w", err))
	}
	defer func() { _ = rows.Close() }() // Err below has what matters
	var out []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, in.s.failure(err)
		}
		out = append(out, id)
	}
	return out, in.s.failure(rows.Err())
}

// Settle records what became of deliveries.
func (in *Inbox) Settle(ctx context.Context, done []Delivery) error {
	tx, err := in.writer.BeginTx(ctx, nil)
	if err != nil {
		return in.s.failure(fmt.Errorf("begin: %w", err))
	}
	for _, d := range done {
		_, err := tx.ExecContext(ctx, `UPDATE inbox SET state = $2, effect = $3, applied_at = $4 WHERE id = $1`, d.ID, string(d.State), d.Effect, microsPtr(d.AppliedAt))
		if err != nil {
			return in.s.failure(errors.Join(fmt.Errorf("record delivery %d: %w", d.ID, err), rollback(tx)))
		}
	}
	return in.s.failure(tx.Commit())
}

// Replay makes a delivery wait to be applied once more.
func (in *Inbox) Replay(ctx context.Context, id int64) error {
	res, err := in.writer.ExecContext(ctx, `UPDATE inbox SET state = 'new', effect = '', applied_at = NULL WHERE id = $1`, id)
	if err != nil {
		return in.s.failure(fmt.Errorf("replay delivery %d: %w", id, err))
	}
	return found(res, "there is no delivery %d; they are kept for a limited time", id)
}

// DeliveryFilter chooses deliveries for a list.
type DeliveryFilter struct {
	Connection int64         // 0 for all
	Hook       string        // empty for all
	State      DeliveryState // empty for all
	Before     int64         // only those with a smaller id; 0 for all
	Limit      int
}

// Deliveries lists deliveries without their bodies, newest first.
func (in *Inbox) Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, error) {
	return in.collect(ctx, false, `SELECT `+inboxColumns+` FROM inbox WHERE ($1 = 0 OR connection_id = $1) AND ($2 = '' OR hook = $2)
		AND ($3 = '' OR state = $3) AND ($4 = 0 OR id < $4) ORDER BY id DESC LIMIT $5`, f.Connection, f.Hook, string(f.State), f.Before, f.Limit)
}

// Delivery returns one delivery with its body.
func (in *Inbox) Delivery(ctx context.Context, id int64) (Delivery, error) {
	all, err := in.collect(ctx, true, `SELECT `+inboxColumns+`, body FROM inbox WHERE id = $1`, id)
	if err == nil && len(all) == 0 {
		err = fault.New(fault.NotFound, "there is no delivery %d", id).With("they are kept for a limited time: windlass delivery list")
	}
	if err != nil {
		return Delivery{}, err
	}
	return all[0], nil
}

// Prune removes deliveries that were received before a moment and do not wait, some at a time. It returns how many.
func (in *Inbox) Prune(ctx context.Context, before time.Time) (int64, error) {
	const atOnce = 500
	total := int64(0)
	for {
		res, err := in.writer.ExecContext(ctx, `DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE received_at < $1 AND state <> 'new' LIMIT $2)`,
			before.UnixMicro(), atOnce)
		if err != nil {
			return total, in.s.failure(fmt.Errorf("remove old deliveries: %w", err))
		}
		n, err := res.RowsAffected()
		total += n
		if err != nil || n < atOnce {
			return total, err
		}
	}
}
