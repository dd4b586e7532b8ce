package store

import (
	"database/sql"
	"fmt"

	"github.com/windlass-hq/windlass/internal/graph"
)

// row is an open entity as it is stored. References are ids; 0 stands for NULL.
type row struct {
	id, kind, scope, hash         int64
	validFrom, version, writtenAt int64
	revision, goneAt              int64
	home, repo, project           int64
	key, source, name             string
	props                         graph.Properties
}

func (d Dialect) rowColumns() string {
	return `id, key, kind, scope, hash, valid_from, version, written_at, revision, gone_at, home, repo, project, source, name, ` + d.JSONOut("props")
}

func scanRow(from rowScanner) (*row, error) {
	var r row
	var gone, home, repo, project sql.NullInt64
	var props []byte
	err := from.Scan(&r.id, &r.key, &r.kind, &r.scope, &r.hash, &r.validFrom, &r.version, &r.writtenAt, &r.revision, &gone,
		&home, &repo, &project, &r.source, &r.name, &props)
	if err != nil {
		return nil, fmt.Errorf("read an entity: %w", err)
	}
	r.goneAt, r.home, r.repo, r.project = gone.Int64, home.Int64, repo.Int64, project.Int64
	if r.props, err = graph.ParseProperties(props); err != nil {
		return nil, err
	}
	return &r, nil
}

// entityTable is in the order of (*row).values.
var entityTable = table{
	name: "entity",
	columns: []string{
		"id", "key", "kind", "scope", "hash", "valid_from", "version", "written_at", "revision", "gone_at",
		"home", "repo", "project", "source", "state", "approved", "created_on", "updated_on", "name", "props",
	},
	json: map[string]bool{"props": true},
}

// values is the row as entityTable has it; props is what Dialect.json makes of the properties.
func (r *row) values(props any) []any {
	state, approved, created, updated := promoted(r.props)
	return []any{
		r.id, r.key, r.kind, r.scope, r.hash, r.validFrom, r.version, r.writtenAt, r.revision, null(r.goneAt),
		null(r.home), null(r.repo), null(r.project), r.source, state, approved, created, updated, r.name, props,
	}
}

// promoted returns the four properties that have a column and indexes of their own, where they have the right type.
func promoted(p graph.Properties) (state, approved, created, updated any) {
	if v, ok := p["state"].(string); ok {
		state = v
	}
	if v, ok := p["approved"].(bool); ok {
		approved = flag(v)
	}
	if v, ok := p["createdOn"].(int64); ok {
		created = v
	}
	if v, ok := p["updatedOn"].(int64); ok {
		updated = v
	}
	return state, approved, created, updated
}

func null(id int64) any {
	if id == 0 {
		return nil
	}
	return id
}

// updateRow overwrites an open entity, in the order of (*row).values.
func (d Dialect) updateRow() string {
	return `UPDATE entity SET key = $2, kind = $3, scope = $4, hash = $5, valid_from = $6, version = $7, written_at = $8, revision = $9, gone_at = $10,
		home = $11, repo = $12, project = $13, source = $14, state = $15, approved = $16, created_on = $17, updated_on = $18, name = $19,
		props = ` + d.JSONIn("$20") + ` WHERE id = $1`
}

// touchRow overwrites only what is no content.
const touchRow = `UPDATE entity SET scope = $2, hash = $3, written_at = $4, revision = $5, gone_at = $6 WHERE id = $1`

// archiveRow copies an open entity to the closed versions: id, valid_to, reason, cause, written_at or NULL to keep it.
const archiveRow = `INSERT INTO entity_old (id, key, kind, valid_from, valid_to, version, written_at, revision, home, repo, project, source,
		state, approved, created_on, updated_on, reason, cause, name, props)
	SELECT id, key, kind, valid_from, CAST($2 AS BIGINT), version, COALESCE(CAST($5 AS BIGINT), written_at), revision, home, repo, project, source,
		state, approved, created_on, updated_on, CAST($3 AS TEXT), CAST($4 AS TEXT), name, props
	FROM entity WHERE id = $1`

const upsertPresence = `INSERT INTO presence (entity_id, scope, hash) VALUES ($1, $2, $3)
	ON CONFLICT (entity_id, scope) DO UPDATE SET hash = excluded.hash`

const upsertRaw = `INSERT INTO raw (entity_id, received_at, body) VALUES ($1, $2, $3)
	ON CONFLICT (entity_id) DO UPDATE SET received_at = excluded.received_at, body = excluded.body`

var rawTable = table{name: "raw", columns: []string{"entity_id", "received_at", "body"}}

// tombstone is the newest closed version of a key that is not open.
type tombstone struct {
	id, version, validTo, requested int64
}
