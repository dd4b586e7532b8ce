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
