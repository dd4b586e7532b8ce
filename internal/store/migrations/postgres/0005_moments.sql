-- +goose Up
-- A query at a past moment has to see of every row when it was valid: the indexes that answer one by themselves hold it.
DROP INDEX entity_name;
CREATE INDEX entity_name ON entity (kind, name, valid_from);
DROP INDEX entity_state;
CREATE INDEX entity_state ON entity (kind, state, approved, created_on, valid_from);
DROP INDEX entity_created;
CREATE INDEX entity_created ON entity (kind, created_on, valid_from);
DROP INDEX entity_updated;
CREATE INDEX entity_updated ON entity (kind, updated_on, valid_from);
DROP INDEX rel_to;
CREATE INDEX rel_to ON rel (to_id, kind, from_id, valid_from);
DROP INDEX rel_old_to;
CREATE INDEX rel_old_to ON rel_old (to_id, kind, from_id, valid_from, valid_to);

-- Of one state only what is old enough: most of what is open was opened lately.
CREATE INDEX entity_state_from ON entity (kind, state, (COALESCE(approved, 2)), valid_from, approved, created_on);

-- Closed versions by how long they were valid, in classes from an hour up by twos (internal/query/plan_past.go has the
-- same expression): of one class, those that were valid at a moment began soon before it.
CREATE INDEX entity_old_at ON entity_old (kind, (CASE
  WHEN valid_to - valid_from <= 3600000000 THEN 0 WHEN valid_to - valid_from <= 7200000000 THEN 1
  WHEN valid_to - valid_from <= 14400000000 THEN 2 WHEN valid_to - valid_from <= 28800000000 THEN 3
  WHEN valid_to - valid_from <= 57600000000 THEN 4 WHEN valid_to - valid_from <= 115200000000 THEN 5
  WHEN valid_to - valid_from <= 230400000000 THEN 6 WHEN valid_to - valid_from <= 460800000000 THEN 7
  WHEN valid_to - valid_from <= 921600000000 THEN 8 WHEN valid_to - valid_from <= 1843200000000 THEN 9
  WHEN valid_to - valid_from <= 3686400000000 THEN 10 WHEN valid_to - valid_from <= 7372800000000 THEN 11
  WHEN valid_to - valid_from <= 14745600000000 THEN 12 ELSE 13 END), valid_from, valid_to, state, approved, created_on);
CREATE INDEX entity_old_state ON entity_old (kind, state, (COALESCE(approved, 2)), (CASE
  WHEN valid_to - valid_from <= 3600000000 THEN 0 WHEN valid_to - valid_from <= 7200000000 THEN 1
  WHEN valid_to - valid_from <= 14400000000 THEN 2 WHEN valid_to - valid_from <= 28800000000 THEN 3
  WHEN valid_to - valid_from <= 57600000000 THEN 4 WHEN valid_to - valid_from <= 115200000000 THEN 5
  WHEN valid_to - valid_from <= 230400000000 THEN 6 WHEN valid_to - valid_from <= 460800000000 THEN 7
  WHEN valid_to - valid_from <= 921600000000 THEN 8 WHEN valid_to - valid_from <= 1843200000000 THEN 9
  WHEN valid_to - valid_from <= 3686400000000 THEN 10 WHEN valid_to - valid_from <= 7372800000000 THEN 11
  WHEN valid_to - valid_from <= 14745600000000 THEN 12 ELSE 13 END), valid_from, valid_to, approved, created_on);
DROP INDEX entity_old_from;

-- What was never listed completely before a moment.
CREATE INDEX scope_complete ON scope (listing, first_complete);
