-- +goose Up
-- What the principals of every Bitbucket have spent, and how fast a Data Center is asked. Minutes count from the epoch;
-- the other times are microseconds. Nothing here is evidence: rows of past hours are deleted.

-- What the vendor counts calls of: a principal, for one group of resources. allowance is calls per hour as the vendor
-- named it, 0 where it did not. A rest ends with one probing call, whose holder has it until probe_until.
CREATE TABLE spending_account (
  realm TEXT NOT NULL, principal TEXT NOT NULL, grp TEXT NOT NULL, allowance INTEGER NOT NULL,
  rests_until BIGINT NOT NULL, refused INTEGER NOT NULL, probe_until BIGINT NOT NULL, PRIMARY KEY (realm, principal, grp)
) WITHOUT ROWID;
CREATE TABLE spending (
  realm TEXT NOT NULL, principal TEXT NOT NULL, grp TEXT NOT NULL, minute BIGINT NOT NULL, calls BIGINT NOT NULL,
  PRIMARY KEY (realm, principal, grp, minute)
) WITHOUT ROWID;

-- How fast an instance is asked, over all processes: when the next call may begin, and the level, in thousandths of
-- what is configured, that trouble has brought it to.
CREATE TABLE throttle (
  realm TEXT PRIMARY KEY, next_at BIGINT NOT NULL, level INTEGER NOT NULL, level_at BIGINT NOT NULL, tickets BIGINT NOT NULL
) WITHOUT ROWID;
-- The calls that are out. A process that died leaves its rows until they have run out.
CREATE TABLE throttle_call (realm TEXT NOT NULL, ticket BIGINT NOT NULL, until BIGINT NOT NULL, PRIMARY KEY (realm, ticket)) WITHOUT ROWID;
