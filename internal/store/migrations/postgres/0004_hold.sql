-- +goose Up
-- What must not be purged. subject is the key of an entity, or empty for everything. A released hold stays as evidence.
CREATE TABLE hold (
  id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, reason TEXT NOT NULL, subject TEXT NOT NULL,
  created_by TEXT NOT NULL, created_at BIGINT NOT NULL, released_at BIGINT
);
