-- +goose Up
-- The graph and what Windlass keeps about it. Times valid_*, *_at and since/until are microseconds since the epoch;
-- created_on and updated_on are milliseconds, as in the properties they are promoted from. Booleans are 0 and 1.

-- Ids come from here in blocks and are never used twice.
CREATE TABLE counter (name TEXT PRIMARY KEY, next BIGINT NOT NULL);
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);

-- A kind is a type together with its classes; a few hundred rows that every reader caches.
CREATE TABLE kind (id INTEGER PRIMARY KEY, type TEXT NOT NULL, classes TEXT NOT NULL, UNIQUE (type, classes));
-- Every verb between two kinds that ever occurred; the planner reads directions from here.
CREATE TABLE rel_kind (
  id INTEGER PRIMARY KEY, verb TEXT NOT NULL, from_kind INTEGER NOT NULL, to_kind INTEGER NOT NULL, type TEXT NOT NULL,
  UNIQUE (verb, from_kind, to_kind)
);

CREATE TABLE connection (
  id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, product TEXT NOT NULL, account_name TEXT NOT NULL,
  tag_account_name INTEGER NOT NULL, description TEXT NOT NULL, interval TEXT NOT NULL, settings TEXT NOT NULL,
  created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL
);
CREATE TABLE credential (
  id BIGINT PRIMARY KEY, connection_id BIGINT NOT NULL REFERENCES connection (id) ON DELETE CASCADE, role TEXT NOT NULL, kind TEXT NOT NULL, identity TEXT NOT NULL,
  secret TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT, verdict TEXT, checked_at BIGINT
);
CREATE INDEX credential_connection ON credential (connection_id);

-- What one complete listing proves the absence of. Rows outlive their connection: the ledger is evidence.
CREATE TABLE scope (
  id BIGINT PRIMARY KEY, connection_id BIGINT NOT NULL, parent TEXT NOT NULL, listing TEXT NOT NULL, title TEXT NOT NULL,
  first_complete BIGINT, last_complete BIGINT, UNIQUE (connection_id, parent, listing)
);
CREATE TABLE run (
  id BIGINT PRIMARY KEY, connection_id BIGINT NOT NULL, cause TEXT NOT NULL, status TEXT NOT NULL, started_at BIGINT NOT NULL,
  ended_at BIGINT, calls BIGINT NOT NULL, summary TEXT NOT NULL, error TEXT NOT NULL
);
CREATE INDEX run_connection ON run (connection_id, id);
-- One row per state of a scope, extended while the scope stays in it.
CREATE TABLE ledger (
  id BIGINT PRIMARY KEY, scope_id BIGINT NOT NULL, run_id BIGINT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
  since BIGINT NOT NULL, until BIGINT NOT NULL, last_run BIGINT NOT NULL, calls BIGINT NOT NULL,
  window_from BIGINT, window_to BIGINT
);
CREATE INDEX ledger_scope ON ledger (scope_id, id);

-- Open versions only. scope and hash are the entity's first presence; see presence for further ones.
CREATE TABLE entity (
  id BIGINT PRIMARY KEY, key TEXT NOT NULL, kind INTEGER NOT NULL, scope BIGINT NOT NULL, hash BIGINT NOT NULL,
  valid_from BIGINT NOT NULL, version INTEGER NOT NULL, written_at BIGINT NOT NULL, revision BIGINT NOT NULL,
  gone_at BIGINT, home BIGINT, repo BIGINT, project BIGINT, source TEXT NOT NULL,
  state TEXT, approved INTEGER, created_on BIGINT, updated_on BIGINT,
  name TEXT NOT NULL, props JSONB NOT NULL
);
CREATE UNIQUE INDEX entity_key ON entity (key);
CREATE INDEX entity_scope ON entity (scope);
CREATE INDEX entity_kind ON entity (kind, id);
CREATE INDEX entity_name ON entity (kind, name);
CREATE INDEX entity_state ON entity (kind, state, approved, created_on);
CREATE INDEX entity_created ON entity (kind, created_on);
CREATE INDEX entity_updated ON entity (kind, updated_on);
CREATE INDEX entity_from ON entity (kind, valid_from);
CREATE INDEX entity_home ON entity (home) WHERE home IS NOT NULL;
CREATE INDEX entity_repo ON entity (repo) WHERE repo IS NOT NULL;

-- Closed versions, each written once. reason: updated, deleted, not_visible, withdrawn. The row that closed an entity
-- for good has the time of the closing's request in written_at.
CREATE TABLE entity_old (
  id BIGINT NOT NULL, key TEXT NOT NULL, kind INTEGER NOT NULL, valid_from BIGINT NOT NULL, valid_to BIGINT NOT NULL,
  version INTEGER NOT NULL, written_at BIGINT NOT NULL, revision BIGINT NOT NULL,
  home BIGINT, repo BIGINT, project BIGINT, source TEXT NOT NULL,
  state TEXT, approved INTEGER, created_on BIGINT, updated_on BIGINT,
  reason TEXT NOT NULL, cause TEXT NOT NULL, name TEXT NOT NULL, props JSONB NOT NULL,
  PRIMARY KEY (id, valid_from)
);
CREATE INDEX entity_old_key ON entity_old (key, valid_to);
CREATE INDEX entity_old_from ON entity_old (kind, valid_from);
CREATE INDEX entity_old_to ON entity_old (kind, valid_to, valid_from);

-- The second and further presences of an entity.
CREATE TABLE presence (entity_id BIGINT NOT NULL, scope BIGINT NOT NULL, hash BIGINT NOT NULL, PRIMARY KEY (entity_id, scope));
CREATE INDEX presence_scope ON presence (scope);
-- The provider's object as last received, compressed.
CREATE TABLE raw (entity_id BIGINT PRIMARY KEY, received_at BIGINT NOT NULL, body BYTEA NOT NULL);

-- Open relationships. owner is the entity whose conversion produced the edge; owner and scope are its first presence.
CREATE TABLE rel (
  from_id BIGINT NOT NULL, kind INTEGER NOT NULL, to_id BIGINT NOT NULL, owner BIGINT NOT NULL, scope BIGINT NOT NULL,
  valid_from BIGINT NOT NULL, props JSONB, PRIMARY KEY (from_id, kind, to_id)
);
CREATE INDEX rel_to ON rel (to_id, kind, from_id);
CREATE INDEX rel_owner ON rel (owner);
CREATE TABLE rel_old (
  from_id BIGINT NOT NULL, kind INTEGER NOT NULL, to_id BIGINT NOT NULL, owner BIGINT NOT NULL,
  valid_from BIGINT NOT NULL, valid_to BIGINT NOT NULL, reason TEXT NOT NULL, props JSONB,
  PRIMARY KEY (from_id, kind, to_id, valid_from)
);
CREATE INDEX rel_old_to ON rel_old (to_id, kind, from_id);
-- The second and further presences of a relationship.
CREATE TABLE rel_presence (
  from_id BIGINT NOT NULL, kind INTEGER NOT NULL, to_id BIGINT NOT NULL, owner BIGINT NOT NULL, scope BIGINT NOT NULL,
  PRIMARY KEY (from_id, kind, to_id, owner, scope)
);
CREATE INDEX rel_presence_owner ON rel_presence (owner);
CREATE INDEX rel_presence_to ON rel_presence (to_id);

-- The change log: one stream per connection or capability, seq without gaps.
CREATE TABLE stream (id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, next BIGINT NOT NULL);
CREATE TABLE change (
  stream BIGINT NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT NULL, op TEXT NOT NULL, reason TEXT NOT NULL,
  entity_id BIGINT NOT NULL, key TEXT NOT NULL, type TEXT NOT NULL, old JSONB, new JSONB, edges JSONB,
  cause_kind TEXT NOT NULL, cause_id TEXT NOT NULL, origin TEXT NOT NULL, depth INTEGER NOT NULL,
  PRIMARY KEY (stream, seq)
);
CREATE TABLE cursor (consumer TEXT NOT NULL, stream BIGINT NOT NULL, seq BIGINT NOT NULL, PRIMARY KEY (consumer, stream));

-- Wake-up facts: there is work while wanted > done.
CREATE TABLE work (name TEXT PRIMARY KEY, wanted BIGINT NOT NULL, done BIGINT NOT NULL, since BIGINT, reason TEXT NOT NULL);
CREATE TABLE lease (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until BIGINT NOT NULL, fence BIGINT NOT NULL);

-- Closings that wait for a person, and objects that were skipped or repaired.
CREATE TABLE held (
  id BIGINT PRIMARY KEY, run_id BIGINT NOT NULL, scope_id BIGINT NOT NULL, reason TEXT NOT NULL, members TEXT NOT NULL,
  created_at BIGINT NOT NULL, confirmed_at BIGINT
);
CREATE INDEX held_scope ON held (scope_id);
CREATE TABLE odd (id BIGINT PRIMARY KEY, run_id BIGINT NOT NULL, scope_id BIGINT NOT NULL, key TEXT NOT NULL, problem TEXT NOT NULL, created_at BIGINT NOT NULL);
CREATE INDEX odd_run ON odd (run_id);
