package store

import (
	"context"
	"fmt"
)

// KeyUse tells which keys there are and what each seals, never the keys themselves.
type KeyUse struct {
	Path    string         // of the key file; empty where the key was given as bytes
	Retired string         // path of the file that keeps keys which were rotated out; it need not exist
	Held    []string       // ids of the keys in the file, in its order
	Sealing string         // id of the key that seals
	Texts   map[string]int // sealed texts by the id of their key, also of keys that the file does not hold
}

// KeyUse reads the key file and counts the sealed texts.
func (s *Store) KeyUse(ctx context.Context) (KeyUse, error) {
	u := KeyUse{Texts: map[string]int{}}
	path, err := s.keyPath()
	if err != nil {
		return u, err
	}
	file, err := readKeyFile(path)
	if err != nil {
		return u, err
	}
	u.Path, u.Retired, u.Held = path, path+retiredSuffix, file.ids()
	if u.Sealing, err = s.sealingKey(ctx, s.reader, ""); err != nil {
		return u, s.failure(err)
	}
	type count struct {
		id string
		n  int
	}
	for _, c := range sealedColumns() {
		// The id of the key is what stands between the first two colons.
		id := fmt.Sprintf("substr(%s, %d, %d)", c.column, len(sealedForm)+1, keyIDSize)
		counts, err := collect(ctx, s, func(row interface{ Scan(...any) error }) (count, error) {
			var k count
			err := row.Scan(&k.id, &k.n)
			return k, err
		}, `SELECT `+id+`, count(*) FROM `+c.table+` WHERE `+c.column+` <> '' GROUP BY `+id)
		if err != nil {
			return u, fmt.Errorf("count what each key seals: %w", err)
		}
		for _, k := range counts {
			u.Texts[k.id] += k.n
		}
	}
	return u, nil
}
