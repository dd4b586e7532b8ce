-- +goose Up
-- Which principals, as a JSON list, are known to see every member of a scope: only they prove absence. NULL where it is
-- not known (scopes of before), an empty list where nobody does.
ALTER TABLE scope ADD COLUMN provers TEXT;
