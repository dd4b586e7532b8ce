package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/windlass-hq/windlass/internal/fault"
)

// sealedColumn is where sealed texts lie. A text is bound to Place{table, id as text, column}.
type sealedColumn struct{ table, id, column string }

// sealedColumns are all of them but the check value. A new one is one line here, and is sealed with Store.Seal.
func sealedColumns() []sealedColumn {
	return []sealedColumn{
		{"credential", "id", "secret"},
		{"hook", "id", "secret"},
		{"hook", "id", "before"},
		{"data_key", "name", "value"},
	}
}

// Rotation is what a change of the key did.
type Rotation struct {
	Key      string   // id of the key that seals now
	Added    bool     // it was made by this call
	Resealed int      // texts sealed anew
	Retired  []string // ids of the keys that left the key file
}

// Seal seals a text that is written in the given transaction, with the key that seals this database. That key is
// named by the check value, not by the order of a key file, so that all processes change over at one moment; the
// check value cannot change before the transaction ends.
func (s *Store) Seal(ctx context.Context, tx querier, plain string, at Place) (Sealed, error) {
	id, err := s.sealingKey(ctx, tx, s.dialect.forShare())
	if err != nil {
		return Sealed{}, err
	}
	return s.keys.sealBy(id, plain, at)
}

// sealingKey reads which key seals this database; lock keeps it as it is until the transaction ends.
func (s *Store) sealingKey(ctx context.Context, tx querier, lock string) (string, error) {
	var check Sealed
	if err := tx.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = $1"+lock, keyCheckName).Scan(&check); err != nil {
		return "", fmt.Errorf("read the check value: %w", err)
	}
	id, _, ok := check.parts()
	if !ok {
		return "", fault.New(fault.Internal, "the check value of the key is no sealed text")
	}
	return id, nil
}

// RotateKey makes a new key, seals everything anew with it and takes the old ones out of the key file: AddKey, Reseal
// and RetireKeys in turn. Whatever ends it in between, nothing is lost: at every moment the file holds the keys of
// all texts, and calling it again goes on with the key that was added rather than making one more.
//
// Other processes may run meanwhile. They read the key file again when a text names a key that they do not know, and
// they seal with the key that the database names.
//
// Where several machines serve one PostgreSQL database and each has a copy of the key file, the new key must be on
// all of them before anything is sealed with it: AddKey on one, copy the file to the others, then RotateKey, which
// seals with what AddKey made; then copy the file again.
//
// A backup of the database opens only with the keys of its day: the retired ones are kept beside the key file.
func (s *Store) RotateKey(ctx context.Context) (Rotation, error) {
	path, err := s.keyPath()
	if err != nil {
		return Rotation{}, err
	}
	file, err := readKeyFile(path)
	if err != nil {
		return Rotation{}, err
	}
	sealing, err := s.sealingKey(ctx, s.reader, "")
	if err != nil {
		return Rotation{}, s.failure(err)
	}
	added := false
	if file.ids()[0] == sealing {
		if _, err := s.AddKey(ctx); err != nil {
			return Rotation{}, err
		}
		added = true
	}
	r, err := s.Reseal(ctx)
	r.Added = added
	if err != nil {
		return r, err
	}
	r.Retired, err = s.RetireKeys(ctx)
	return r, err
}

// AddKey writes a new key above the others into the key file and returns its id. Nothing is sealed with it before
// Reseal.
func (s *Store) AddKey(ctx context.Context) (id string, err error) {
	err = s.changeKeys(ctx, func(f *keyFile) error {
		key, err := newKey()
		if err != nil {
			return err
		}
		id = keyID(key)
		f.put(key)
		return f.write(f.path, s.point("add"))
	})
	return id, err
}

// changeKeys reads and changes the key file while no other process does.
func (s *Store) changeKeys(ctx context.Context, change func(*keyFile) error) error {
	path, err := s.keyPath()
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	folder := filepath.Dir(path)
	if target, err := filepath.EvalSymlinks(path); err == nil {
		folder = filepath.Dir(target)
	}
	unlock, err := lockFolder(folder)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "the key file cannot be changed").With("check who may read and write %s", folder)
	}
	defer unlock()
	f, err := readKeyFile(path)
	if err != nil {
		return err
	}
	return change(f)
}

func (s *Store) point(of string) func(string) error {
	return func(name string) error {
		if s.crash == nil {
			return nil
		}
		return s.crash(of + " " + name)
	}
}

// resealAtOnce is how many texts one transaction seals anew.
const resealAtOnce = 50

// Reseal makes the first key of the key file the one that seals this database, and seals anew whatever is sealed with
// another. A text whose key is lost stays as it is and is named by the error, after all others were done; so does
// what another rotation that runs at the same time has changed.
func (s *Store) Reseal(ctx context.Context) (Rotation, error) {
	path, err := s.keyPath()
	if err != nil {
		return Rotation{}, err
	}
	file, err := readKeyFile(path)
	if err != nil {
		return Rotation{}, err
	}
	r := Rotation{Key: file.ids()[0]}
	if err := s.sealNowWith(ctx, file, r.Key); err != nil {
		return r, err
	}
	point := s.point("reseal")
	var lost error
	for _, c := range sealedColumns() {
		rows, err := s.sealedOtherwise(ctx, c, r.Key)
		if err != nil {
			return r, err
		}
		for part := range slices.Chunk(rows, resealAtOnce) {
			if err := point("rows"); err != nil {
				return r, err
			}
			n, err := s.resealRows(ctx, c, part, r.Key)
			r.Resealed += n
			if err != nil && !fault.Is(err, fault.Invalid) {
				return r, err
			}
			lost = errors.Join(lost, err)
		}
	}
	return r, lost
}

// sealNowWith seals the check value with another key. From then on everybody seals with it.
func (s *Store) sealNowWith(ctx context.Context, file *keyFile, id string) error {
	if err := s.point("reseal")("check"); err != nil {
		return err
	}
	err := s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		now, err := s.sealingKey(ctx, tx, s.dialect.forUpdate())
		if err != nil || now == id {
			return err
		}
		// Without the key of today this file would be an older copy, and its first key perhaps a retired one.
		if !slices.Contains(file.ids(), now) {
			return unknownKey("the database", now)
		}
		sealed, err := s.keys.sealBy(id, keyCheck, keyCheckPlace())
		if err != nil {
			return err
		}
		return s.SetMeta(ctx, tx, keyCheckName, sealed.text)
	})
	if err != nil {
		return err
	}
	return s.keys.sealWith(id)
}

// sealedRow is a sealed text and where it lies.
type sealedRow struct {
	id   string
	text Sealed
}

func (s *Store) sealedOtherwise(ctx context.Context, c sealedColumn, id string) ([]sealedRow, error) {
	prefix := sealedForm + id + ":"
	return collect(ctx, s, func(row interface{ Scan(...any) error }) (sealedRow, error) {
		var r sealedRow
		err := row.Scan(&r.id, &r.text)
		return r, err
	}, `SELECT CAST(`+c.id+` AS TEXT), `+c.column+` FROM `+c.table+` WHERE `+c.column+` <> '' AND substr(`+c.column+`, 1, $2) <> $1 ORDER BY `+c.id,
		prefix, len(prefix))
}

func (s *Store) resealRows(ctx context.Context, c sealedColumn, rows []sealedRow, id string) (n int, err error) {
	var lost error
	err = s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		n, lost = 0, nil
		now, err := s.sealingKey(ctx, tx, s.dialect.forShare())
		if err != nil {
			return err
		}
		if now != id {
			return fault.New(fault.Conflict, "another rotation of the key began").With("wait for it, or rotate again")
		}
		for _, r := range rows {
			at := Place{Table: c.table, Row: r.id, Column: c.column}
			plain, err := s.keys.Open(r.text, at)
			if err != nil {
				lost = errors.Join(lost, err)
				continue
			}
			sealed, err := s.keys.sealBy(id, plain, at)
			if err != nil {
				return err
			}
			// What was replaced or removed since it was read is left alone: it is sealed with the new key already.
			res, err := tx.ExecContext(ctx, `UPDATE `+c.table+` SET `+c.column+` = $3 WHERE CAST(`+c.id+` AS TEXT) = $1 AND `+c.column+` = $2`, r.id, r.text, sealed)
			if err != nil {
				return fmt.Errorf("seal %s of %s %s anew: %w", c.column, c.table, r.id, err)
			}
			done, err := res.RowsAffected()
			if err != nil {
				return err
			}
			n += int(done)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, lost
}

// retiredSuffix is that of the file beside the key file that keeps keys which nothing is sealed with any more.
const retiredSuffix = ".retired"

// RetireKeys takes the keys out of the key file that are older than the sealing one and with which no text is sealed,
// and returns their ids. They go to a file of the same name that ends with .retired, which no process reads: backups
// of the database, and other databases that share the key file, may still need them.
func (s *Store) RetireKeys(ctx context.Context) (ids []string, err error) {
	err = s.changeKeys(ctx, func(f *keyFile) error {
		sealing, used, err := s.usedKeys(ctx)
		if err != nil {
			return err
		}
		// Above the sealing key are those that were added and seal nothing yet.
		at := slices.Index(f.ids(), sealing)
		if at < 0 {
			return unknownKey("the database", sealing)
		}
		for _, id := range f.ids()[at+1:] {
			if !used[id] && id != sealing {
				ids = append(ids, id)
			}
		}
		if len(ids) == 0 {
			return nil
		}
		if err := s.retire(f, ids); err != nil {
			return err
		}
		return f.without(ids).write(f.path, s.point("drop"))
	})
	return ids, err
}

// usedKeys returns the key that seals and all with which any text is sealed. Nobody is about to seal with another:
// who seals keeps the check value as it is until his text can be seen.
func (s *Store) usedKeys(ctx context.Context) (sealing string, used map[string]bool, err error) {
	err = s.Write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		used = map[string]bool{}
		if sealing, err = s.sealingKey(ctx, tx, s.dialect.forUpdate()); err != nil {
			return err
		}
		for _, c := range sealedColumns() {
			// The id of the key is what stands between the first two colons.
			n := len(sealedForm) + 1
			ids, err := collectFrom(ctx, tx, func(row interface{ Scan(...any) error }) (string, error) {
				var id string
				err := row.Scan(&id)
				return id, err
			}, `SELECT DISTINCT substr(`+c.column+`, CAST($1 AS INTEGER), CAST($2 AS INTEGER)) FROM `+c.table+` WHERE `+c.column+` <> ''`, n, keyIDSize)
			if err != nil {
				return fmt.Errorf("look for keys in use: %w", err)
			}
			for _, id := range ids {
				used[id] = true
			}
		}
		return nil
	})
	return sealing, used, err
}

// retire adds keys to the file of those that nothing is sealed with any more.
func (s *Store) retire(f *keyFile, ids []string) error {
	path := f.path + retiredSuffix
	retired, err := readKeyFile(path)
	if fault.Is(err, fault.NotFound) {
		retired, err = &keyFile{path: path, lines: []keyLine{{
			text: "# Keys of Windlass that were rotated out. Only backups made before that, and other databases that shared the file, need them.",
		}}}, nil
	}
	if err != nil {
		return err
	}
	kept := retired.ids()
	for _, l := range f.lines {
		if l.key != nil && slices.Contains(ids, l.id()) && !slices.Contains(kept, l.id()) {
			retired.lines = append(retired.lines, l)
		}
	}
	return retired.write(f.path, s.point("retire"))
}
