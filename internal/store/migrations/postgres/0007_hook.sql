-- +goose Up
-- Keys that data is encrypted with, themselves sealed: what they encrypt need not be sealed anew when the key of the
-- installation changes.
CREATE TABLE data_key (name TEXT PRIMARY KEY, value TEXT NOT NULL);

-- Webhooks that deliver to this installation. id is the last segment of their URL. before is the secret that was
-- replaced, which is accepted until before_until.
CREATE TABLE hook (
  id TEXT PRIMARY KEY, connection_id BIGINT NOT NULL REFERENCES connection (id) ON DELETE CASCADE, place TEXT NOT NULL,
  place_type TEXT NOT NULL, place_name TEXT NOT NULL, remote_id TEXT NOT NULL, url TEXT NOT NULL, secret TEXT NOT NULL, before TEXT,
  before_until BIGINT, signed INTEGER NOT NULL, made_by TEXT NOT NULL, trouble TEXT NOT NULL, created_at BIGINT NOT NULL,
  verified_at BIGINT, checked_at BIGINT, UNIQUE (connection_id, place)
);

-- Deliveries as they came. On SQLite they lie in a file of their own (inbox.go).
CREATE TABLE inbox (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, hook TEXT NOT NULL, connection_id BIGINT NOT NULL, request_id TEXT NOT NULL,
  body_hash BYTEA NOT NULL, received_at BIGINT NOT NULL, event TEXT NOT NULL, request TEXT NOT NULL, body BYTEA NOT NULL, size BIGINT NOT NULL,
  state TEXT NOT NULL, verdict TEXT NOT NULL, effect TEXT NOT NULL, applied_at BIGINT
);
CREATE INDEX inbox_new ON inbox (connection_id, id) WHERE state = 'new';
CREATE INDEX inbox_hook ON inbox (hook, id);
CREATE INDEX inbox_request ON inbox (hook, request_id);
CREATE INDEX inbox_body ON inbox (hook, body_hash);
CREATE INDEX inbox_received ON inbox (received_at);
