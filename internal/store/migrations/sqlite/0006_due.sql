-- +goose Up
-- When a scope's list is to be read again (NULL: at once), up to which moment of the provider's clock what changed is
-- known, and back to which moment (0: from the beginning). Microseconds since the epoch.
ALTER TABLE scope ADD COLUMN due BIGINT;
ALTER TABLE scope ADD COLUMN watermark BIGINT;
ALTER TABLE scope ADD COLUMN reached BIGINT;
CREATE INDEX scope_due ON scope (connection_id, listing, due);
