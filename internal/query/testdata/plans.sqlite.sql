-- everything_of_a_class
-- FIND PR
WITH s0 AS (SELECT e.id AS n0, e.key AS v_key, e.kind AS v_kind, e.name AS v_name, e.source AS v_source, e.valid_from AS v_valid_from, e.version AS v_version, e.props AS v_props FROM entity AS e WHERE e.kind = 9)
SELECT s.v_key, s.v_kind, s.v_name, s.v_source, (s.v_valid_from / 1000), (CASE s.v_version WHEN 1 THEN s.v_valid_from ELSE COALESCE((SELECT MIN(h.valid_from) FROM entity_old AS h WHERE h.id = s.n0), s.v_valid_from) END / 1000), s.v_version, json(s.v_props), (SELECT json_group_array(n ORDER BY n) FROM (SELECT DISTINCT c.account_name AS n FROM (SELECT t.scope FROM entity AS t WHERE t.id = s.n0 UNION SELECT t.scope FROM presence AS t WHERE t.entity_id = s.n0) AS s JOIN scope ON scope.id = s.scope JOIN connection AS c ON c.id = scope.connection_id WHERE c.tag_account_name <> 0 AND c.account_name <> '')) FROM s0 AS s ORDER BY s.n0

-- two_predicates_counted
-- FIND PR WITH state = 'OPEN' AND approved = false AS pr RETURN COUNT(pr)
WITH s0 AS (SELECT e.id AS n0 FROM entity AS e WHERE e.kind = 9 AND e.state = ($1 || '') AND e.approved = ($2 + 0))
SELECT s.a0 FROM (SELECT COUNT(a0) AS a0 FROM (SELECT s.n0 AS a0 FROM s0 AS s) AS g) AS s
-- $1 string OPEN
-- $2 int64 0

-- page_in_order_of_ids
-- FIND PR WITH state = 'OPEN' LIMIT 250
WITH s0 AS (SELECT e.id AS n0 FROM entity AS e WHERE e.kind = 9 AND e.state = $3)
SELECT e0.key, e0.kind, e0.name, e0.source, (e0.valid_from / 1000), (CASE e0.version WHEN 1 THEN e0.valid_from ELSE COALESCE((SELECT MIN(h.valid_from) FROM entity_old AS h WHERE h.id = s.n0), e0.valid_from) END / 1000), e0.version, json(e0.props), (SELECT json_group_array(n ORDER BY n) FROM (SELECT DISTINCT c.account_name AS n FROM (SELECT t.scope FROM entity AS t WHERE t.id = s.n0 UNION SELECT t.scope FROM presence AS t WHERE t.entity_id = s.n0) AS s JOIN scope ON scope.id = s.scope JOIN connection AS c ON c.id = scope.connection_id WHERE c.tag_account_name <> 0 AND c.account_name <> '')) FROM (SELECT s.n0 FROM s0 AS s ORDER BY s.n0 LIMIT $1 OFFSET $2) AS s CROSS JOIN entity AS e0 WHERE e0.id = s.n0 ORDER BY s.n0
-- $1 int64 250
-- $2 int64 0
-- $3 string OPEN

-- newest_first
-- FIND PR WITH state = 'MERGED' ORDER BY createdOn DESC LIMIT 10
WITH s0 AS (SELECT e.id AS n0, e.created_on AS v_created_on FROM entity AS e WHERE e.kind = 9 AND e.state = ($3 || ''))
SELECT e0.key, e0.kind, e0.name, e0.source, (e0.valid_from / 1000), (CASE e0.version WHEN 1 THEN e0.valid_from ELSE COALESCE((SELECT MIN(h.valid_from) FROM entity_old AS h WHERE h.id = s.n0), e0.valid_from) END / 1000), e0.version, json(e0.props), (SELECT json_group_array(n ORDER BY n) FROM (SELECT DISTINCT c.account_name AS n FROM (SELECT t.scope FROM entity AS t WHERE t.id = s.n0 UNION SELECT t.scope FROM presence AS t WHERE t.entity_id = s.n0) AS s JOIN scope ON scope.id = s.scope JOIN connection AS c ON c.id = scope.connection_id WHERE c.tag_account_name <> 0 AND c.account_name <> '')) FROM (SELECT s.n0, CASE WHEN s.v_created_on IS NULL THEN 1 ELSE 0 END AS o0, s.v_created_on AS o1 FROM s0 AS s ORDER BY o0, o1 DESC, s.n0 LIMIT $1 OFFSET $2) AS s CROSS JOIN entity AS e0 WHERE e0.id = s.n0 ORDER BY s.o0, s.o1 DESC, s.n0
-- $1 int64 10
-- $2 int64 0
-- $3 string MERGED

-- name_contains
-- FIND User WITH displayName ~= 'ann'
WITH s0 AS (SELECT e.id AS n0, e.key AS v_key, e.kind AS v_kind, e.name AS v_name, e.source AS v_source, e.valid_from AS v_valid_from, e.version AS v_version, e.props AS v_props FROM entity AS e WHERE e.kind = 11 AND instr(e.name, $1) > 0)
SELECT s.v_key, s.v_kind, s.v_name, s.v_source, (s.v_valid_from / 1000), (CASE s.v_version WHEN 1 THEN s.v_valid_from ELSE COALESCE((SELECT MIN(h.valid_from) FROM entity_old AS h WHERE h.id = s.n0), s.v_valid_from) END / 1000), s.v_version, json(s.v_props), (SELECT json_group_array(n ORDER BY n) FROM (SELECT DISTINCT c.account_name AS n FROM (SELECT t.scope FROM entity AS t WHERE t.id = s.n0 UNION SELECT t.scope FROM presence AS t WHERE t.entity_id = s.n0) AS s JOIN scope ON scope.id = s.scope JOIN connection AS c ON c.id = scope.connection_id WHERE c.tag_account_name <> 0 AND c.account_name <> '')) FROM s0 AS s ORDER BY s.n0
-- $1 string ann

-- unpromoted_scalar
-- FIND PR WITH title ^= 'Fix' AND taskCount > 3 AND draft != true
WITH s0 AS (SELECT e.id AS n0, e.key AS v_key, e.kind AS v_kind, e.name AS v_name, e.source AS v_source, e.valid_from AS v_valid_from, e.version AS v_version, e.props AS v_props FROM entity AS e WHERE e.kind = 9 AND (substr(json_extract(e.props, $1), 1, length($2)) = $2 AND json_type(e.props, $1) = 'text') AND (json_extract(e.props, $3) > $4 AND json_type(e.props, $3) IN ('integer', 'real')) AND ((json_extract(e.props, $5) = $6 AND json_type(e.props, $5) IN ('true', 'false'))) IS NOT TRUE)
SELECT s.v_key, s.v_kind, s.v_name, s.v_source, (s.v_valid_from / 1000), (CASE s.v_version WHEN 1 THEN s.v_valid_from ELSE COALESCE((SELECT MIN(h.valid_from) FROM entity_old AS h WHERE h.id = s.n0), s.v_valid_from) END / 1000), s.v_version, json(s.v_props), (SELECT json_group_array(n ORDER BY n) FROM (SELECT DISTINCT c.account_name AS n FROM (SELECT t.scope FROM entity AS t WHERE t.id = s.n0 UNION SELECT t.scope FROM presence AS t WHERE t.entity_id = s.n0) AS s JOIN scope ON scope.id = s.scope JOIN connection AS c ON c.id = scope.connection_id WHERE c.tag_account_name <> 0 AND c.account_name <> '')) FROM s0 AS s ORDER BY s.n0
-- $1 string $."title"
-- $2 string Fix
-- $3 string $."taskCount"
-- $4 int64 3
-- $5 string $."draft"
-- $6 bool true

-- unpromoted_list
-- FIND PR WITH reviewers = ('Ann' AND 'Bob')
WITH s0 AS (SELECT e.id AS n0, e.key AS v_key, e.kind AS v_kind, e.name AS v_name, e.source AS v_source, e.valid_from AS v_valid_from, e.version AS v_version, e.props AS v_props FROM entity AS e WHERE e.kind = 9 AND (EXISTS (SELECT 1 FROM (SELECT CASE type WHEN 'text' THEN 's' WHEN 'integer' THEN 'n' WHEN 'real' THEN 'n' WHEN 'true' THEN 'b' WHEN 'false' THEN 'b' END AS k, value AS x FROM json_each(CASE json_type(e.props, $1) WHEN 'array' THEN (e.props -> $1) ELSE '[' || (e.props -> $1) || ']' END)) AS v WHERE v.k = 's' AND v.x = $2) AND EXISTS (SELECT 1 FROM (SELECT CASE type WHEN 'text' THEN 's' WHEN 'integer' THEN 'n' WHEN 'real' THEN 'n' WHEN 'true' THEN 'b' WHEN 'false' THEN 'b' END AS k, value AS x FROM json_each(CASE json_type(e.props, $1) WHEN 'array' THEN (e.props -> $1) ELSE '[' || (e.props -> $1) || ']' END)) AS v WHERE v.k = 's' AND v.x = $3)))
SELECT s.v_key, s.v_kind, s.v_name, s.v_source, (s.v_valid_from / 1000), (CASE s.v_version WHEN 1 THEN s.v_valid_from ELSE COALESCE((SELECT MIN(h.valid_from) FROM entity_old AS h WHERE h.id = s.n0), s.v_valid_from) END / 1000), s.v_version, json(s.v_props), (SELECT json_group_array(n ORDER BY n) FROM (SELECT DISTINCT c.account_name AS n FROM (SELECT t.scope FROM entity AS t WHERE t.id = s.n0 UNION SELECT t.scope FROM presence AS t WHERE t.entity_id = s.n0) AS s JOIN scope ON scope.id = s.scope JOIN connection AS c ON c.id = scope.connection_id WHERE c.tag_account_name <> 0 AND c.account_name <> '')) FROM s0 AS s ORDER BY s.n0
-- $1 string $."reviewers"
-- $2 string Ann
-- $3 string Bob

-- new_since
-- FIND CodeRepo WITH _beginOn > date.now - 24 hours AND _version = 1
WITH s0 AS (SELECT e.id AS n0, e.key AS v_key, e.kind AS v_kind, e.name AS v_name, e.source AS v_source, e.valid_from AS v_valid_from, e.version AS v_version, e.props AS v_props FROM entity AS e WHERE e.kind = 10 AND e.valid_from >= ($1 + 0) AND e.version = ($2 + 0))
SELECT s.v_key, s.v_kind, s.v_name, s.v_source, (s.v_valid_from / 1000), (CASE s.v_version WHEN 1 THEN s.v_valid_from ELSE COALESCE((SELECT MIN(h.valid_from) FROM entity_old AS h WHERE h.id = s.n0), s.v_valid_from) END / 1000), s.v_version, json(s.v_props), (SELECT json_group_array(n ORDER BY n) FROM (SELECT DISTINCT c.account_name AS n FROM (SELECT t.scope FROM entity AS t WHERE t.id = s.n0 UNION SELECT t.scope FROM presence AS t WHERE t.entity_id = s.n0) AS s JOIN scope ON scope.id = s.scope JOIN connection AS c ON c.id = scope.connection_id WHERE c.tag_account_name <> 0 AND c.account_name <> '')) FROM s0 AS s ORDER BY s.n0
-- $1 int64 1773100800001000
-- $2 int64 1

-- semi_join_from_the_selective_end
-- FIND User THAT OPENED PR WITH createdOn > date.now - 7 days
WITH s0 AS MATERIALIZED (SELECT e.id AS n1 FROM entity AS e WHERE e.kind = 9 AND e.created_on > ($1 + 0)),
s1 AS MATERIALIZED (SELECT DISTINCT r.from_id AS n0 FROM s0 AS s CROSS JOIN rel AS r WHERE r.to_id = s.n1 AND r.kind = 9)
SELECT e0.key, e0.kind, e0.name, e0.source, (e0.valid_from / 1000), (CASE e0.version WHEN 1 THEN e0.valid_from ELSE COALESCE((SELECT MIN(h.valid_from) FROM entity_old AS h WHERE h.id = s.n0), e0.valid_from) END / 1000), e0.version, json(e0.props), (SELECT json_group_array(n ORDER BY n) FROM (SELECT DISTINCT c.account_name AS n FROM (SELECT t.scope FROM entity AS t WHERE t.id = s.n0 UNION SELECT t.scope FROM presence AS t WHERE t.entity_id = s.n0) AS s JOIN scope ON scope.id = s.scope JOIN connection AS c ON c.id = scope.connection_id WHERE c.tag_account_name <> 0 AND c.account_name <> '')) FROM s1 AS s CROSS JOIN entity AS e0 WHERE e0.id = s.n0 ORDER BY s.n0
-- $1 int64 1772582400000

-- anchored_at_one_repository
-- FIND User AS u THAT APPROVED PR THAT HAS CodeRepo WITH name = 'windlass' RETURN u.displayName, COUNT(PR) AS n ORDER BY n DESC LIMIT 10
WITH s0 AS MATERIALIZED (SELECT e.id AS n2 FROM entity AS e WHERE e.kind = 10 AND (json_extract(e.props, $1) = $2 AND json_type(e.props, $1) = 'text')),
s1 AS MATERIALIZED (SELECT DISTINCT r.to_id AS n1 FROM s0 AS s CROSS JOIN rel AS r WHERE r.from_id = s.n2 AND r.kind = 8),
s2 AS MATERIALIZED (SELECT s.n1, r.from_id AS n0 FROM s1 AS s CROSS JOIN rel AS r WHERE r.to_id = s.n1 AND r.kind = 11)
SELECT s.c0, s.a1 FROM (SELECT c0, COUNT(DISTINCT a1) AS a1 FROM (SELECT e0.name AS c0, s.n1 AS a1 FROM s2 AS s CROSS JOIN entity AS e0 WHERE e0.id = s.n0) AS g GROUP BY c0) AS s ORDER BY CASE WHEN s.a1 IS NULL THEN 1 ELSE 0 END, s.a1 DESC, CASE WHEN s.c0 IS NULL THEN 1 ELSE 0 END, s.c0 LIMIT $3 OFFSET $4
-- $1 string $."name"
-- $2 string windlass
-- $3 int64 10
-- $4 int64 0

-- three_hops_of_one_workspace
-- FIND bitbucket_workspace WITH slug = 'acme' THAT OWNS CodeRepo AS r THAT HAS PR THAT APPROVED << User AS u RETURN u, COUNT(PR)
WITH s0 AS MATERIALIZED (SELECT e.id AS n0 FROM entity AS e WHERE e.kind = 13 AND (json_extract(e.props, $1) = $2 AND json_type(e.props, $1) = 'text')),
s1 AS MATERIALIZED (SELECT DISTINCT r.to_id AS n1 FROM s0 AS s CROSS JOIN rel AS r WHERE r.from_id = s.n0 AND r.kind = 2),
s2 AS MATERIALIZED (SELECT DISTINCT r.to_id AS n2 FROM s1 AS s CROSS JOIN rel AS r WHERE r.from_id = s.n1 AND r.kind = 8),
s3 AS MATERIALIZED (SELECT s.n2, r.from_id AS n3 FROM s2 AS s CROSS JOIN rel AS r WHERE r.to_id = s.n2 AND r.kind = 11)
SELECT e3.key, e3.kind, e3.name, e3.source, (e3.valid_from / 1000), (CASE e3.version WHEN 1 THEN e3.valid_from ELSE COALESCE((SELECT MIN(h.valid_from) FROM entity_old AS h WHERE h.id = s.n3), e3.valid_from) END / 1000), e3.version, json(e3.props), (SELECT json_group_array(n ORDER BY n) FROM (SELECT DISTINCT c.account_name AS n FROM (SELECT t.scope FROM entity AS t WHERE t.id = s.n3 UNION SELECT t.scope FROM presence AS t WHERE t.entity_id = s.n3) AS s JOIN scope ON scope.id = s.scope JOIN connection AS c ON c.id = scope.connection_id WHERE c.tag_account_name <> 0 AND c.account_name <> '')), s.a1 FROM (SELECT n3, COUNT(DISTINCT a1) AS a1 FROM (SELECT s.n3 AS n3, s.n2 AS a1 FROM s3 AS s) AS g GROUP BY n3) AS s CROSS JOIN entity AS e3 WHERE e3.id = s.n3 ORDER BY s.n3
-- $1 string $."slug"
-- $2 string acme

-- both_directions
-- FIND (CodeRepo|Project) THAT HAS (PR|CodeRepo) AS x RETURN x._type, COUNT(x)
WITH s0 AS MATERIALIZED (SELECT e.id AS n0 FROM entity AS e WHERE e.kind IN (10, 8)),
s1 AS MATERIALIZED (SELECT DISTINCT r.to_id AS n1 FROM s0 AS s CROSS JOIN rel AS r WHERE r.from_id = s.n0 AND r.kind IN (7, 8))
SELECT s.c0, s.a1 FROM (SELECT c0, COUNT(a1) AS a1 FROM (SELECT (SELECT k.type FROM kind AS k WHERE k.id = e1.kind) AS c0, s.n1 AS a1 FROM s1 AS s CROSS JOIN entity AS e1 WHERE e1.id = s.n1) AS g GROUP BY c0) AS s ORDER BY CASE WHEN s.c0 IS NULL THEN 1 ELSE 0 END, s.c0

-- negated
-- FIND CodeRepo THAT !HAS PR WITH state = 'OPEN'
WITH s0 AS MATERIALIZED (SELECT e.id AS n0 FROM entity AS e WHERE e.kind = 10),
s1 AS MATERIALIZED (SELECT s.n0 FROM s0 AS s WHERE NOT EXISTS (SELECT 1 FROM rel AS r CROSS JOIN entity AS e WHERE r.from_id = s.n0 AND r.kind = 8 AND e.id = r.to_id AND e.state = ($1 || '')))
SELECT e0.key, e0.kind, e0.name, e0.source, (e0.valid_from / 1000), (CASE e0.version WHEN 1 THEN e0.valid_from ELSE COALESCE((SELECT MIN(h.valid_from) FROM entity_old AS h WHERE h.id = s.n0), e0.valid_from) END / 1000), e0.version, json(e0.props), (SELECT json_group_array(n ORDER BY n) FROM (SELECT DISTINCT c.account_name AS n FROM (SELECT t.scope FROM entity AS t WHERE t.id = s.n0 UNION SELECT t.scope FROM presence AS t WHERE t.entity_id = s.n0) AS s JOIN scope ON scope.id = s.scope JOIN connection AS c ON c.id = scope.connection_id WHERE c.tag_account_name <> 0 AND c.account_name <> '')) FROM s1 AS s CROSS JOIN entity AS e0 WHERE e0.id = s.n0 ORDER BY s.n0
-- $1 string OPEN

-- where_across_aliases
-- FIND User AS a THAT OPENED PR AS p THAT APPROVED AS r User AS b WHERE a.accountId = b.accountId AND p.state = 'MERGED' RETURN p.webLink, a.name, r._beginOn
WITH s0 AS MATERIALIZED (SELECT e.id AS n1 FROM entity AS e WHERE e.kind = 9 AND e.state = ($1 || '')),
s1 AS MATERIALIZED (SELECT s.n1, r.from_id AS n2, r.from_id AS f2, r.kind AS k2, r.to_id AS t2 FROM s0 AS s CROSS JOIN rel AS r WHERE r.to_id = s.n1 AND r.kind = 11),
s2 AS MATERIALIZED (SELECT s.n1, s.n2, r.from_id AS n0, s.f2, s.k2, s.t2 FROM s1 AS s CROSS JOIN rel AS r WHERE r.to_id = s.n1 AND r.kind = 9),
s3 AS MATERIALIZED (SELECT s.n1, s.n0, s.f2, s.k2, s.t2 FROM s2 AS s CROSS JOIN entity AS e0 CROSS JOIN entity AS e2 WHERE e0.id = s.n0 AND e2.id = s.n2 AND json_extract(e0.props, $2) = json_extract(e2.props, $2))
SELECT (e1.props -> $3), (e0.props -> $4), (r1.valid_from / 1000) FROM s3 AS s CROSS JOIN entity AS e1 CROSS JOIN entity AS e0 CROSS JOIN rel AS r1 WHERE e1.id = s.n1 AND e0.id = s.n0 AND r1.from_id = s.f2 AND r1.kind = s.k2 AND r1.to_id = s.t2 ORDER BY s.n0, s.n1, s.f2, s.k2, s.t2
-- $1 string MERGED
-- $2 string $."accountId"
-- $3 string $."webLink"
-- $4 string $."name"

-- sum_over_distinct
-- FIND User AS u THAT (OPENED|REVIEWED) PR AS p RETURN u.displayName, SUM(p.taskCount)
WITH s0 AS MATERIALIZED (SELECT e.id AS n0 FROM entity AS e WHERE e.kind = 11),
s1 AS MATERIALIZED (SELECT DISTINCT s.n0, r.to_id AS n1 FROM s0 AS s CROSS JOIN rel AS r WHERE r.from_id = s.n0 AND r.kind IN (9, 10))
SELECT s.c0, s.a1 FROM (SELECT c0, SUM(CASE WHEN w1 = 1 THEN a1 END) AS a1 FROM (SELECT g.*, ROW_NUMBER() OVER (PARTITION BY i1_0, c0) AS w1 FROM (SELECT e0.name AS c0, CASE WHEN json_type(e1.props, $1) IN ('integer', 'real') THEN CAST(json_extract(e1.props, $1) AS DOUBLE PRECISION) END AS a1, s.n1 AS i1_0 FROM s1 AS s CROSS JOIN entity AS e0 CROSS JOIN entity AS e1 WHERE e0.id = s.n0 AND e1.id = s.n1) AS g) AS g GROUP BY c0) AS s ORDER BY CASE WHEN s.c0 IS NULL THEN 1 ELSE 0 END, s.c0
-- $1 string $."taskCount"

-- in_the_past
-- FIND CodeRepo WITH name = 'windlass' THAT HAS PR WITH state = 'OPEN' AS p RETURN p.title AT date(2026-03-01T00:00:00Z)
WITH s0 AS MATERIALIZED (SELECT e.id AS n0 FROM entity AS e WHERE e.kind = 10 AND (json_extract(e.props, $2) = $3 AND json_type(e.props, $2) = 'text') AND +e.valid_from <= ($1 + 0) UNION ALL SELECT e.id AS n0 FROM (VALUES (0, 3600000000), (1, 7200000000), (2, 14400000000), (3, 28800000000), (4, 57600000000), (5, 115200000000), (6, 230400000000), (7, 460800000000), (8, 921600000000), (9, 1843200000000), (10, 3686400000000), (11, 7372800000000), (12, 14745600000000), (13, 1152921504606846976)) AS w CROSS JOIN entity_old AS e WHERE e.kind = 10 AND (json_extract(e.props, $2) = $3 AND json_type(e.props, $2) = 'text') AND (CASE WHEN e.valid_to - e.valid_from <= 3600000000 THEN 0 WHEN e.valid_to - e.valid_from <= 7200000000 THEN 1 WHEN e.valid_to - e.valid_from <= 14400000000 THEN 2 WHEN e.valid_to - e.valid_from <= 28800000000 THEN 3 WHEN e.valid_to - e.valid_from <= 57600000000 THEN 4 WHEN e.valid_to - e.valid_from <= 115200000000 THEN 5 WHEN e.valid_to - e.valid_from <= 230400000000 THEN 6 WHEN e.valid_to - e.valid_from <= 460800000000 THEN 7 WHEN e.valid_to - e.valid_from <= 921600000000 THEN 8 WHEN e.valid_to - e.valid_from <= 1843200000000 THEN 9 WHEN e.valid_to - e.valid_from <= 3686400000000 THEN 10 WHEN e.valid_to - e.valid_from <= 7372800000000 THEN 11 WHEN e.valid_to - e.valid_from <= 14745600000000 THEN 12 ELSE 13 END) = w.column1 AND e.valid_from >= ($1 + 0) - w.column2 AND e.valid_from <= ($4 + 0) AND e.valid_to > ($1 + 0)),
s1 AS MATERIALIZED (SELECT r.to_id AS n1 FROM s0 AS s CROSS JOIN rel AS r LEFT JOIN entity AS e ON e.id = r.to_id AND +e.valid_from <= ($1 + 0) LEFT JOIN entity_old AS o ON o.id = CASE WHEN e.id IS NULL THEN r.to_id END AND +o.valid_from <= ($1 + 0) AND o.valid_to > ($1 + 0) WHERE r.from_id = s.n0 AND r.kind = 8 AND +r.valid_from <= ($1 + 0) AND COALESCE(e.id, o.id) IS NOT NULL AND CASE WHEN e.id IS NULL THEN o.state ELSE e.state END = ($5 || '') UNION ALL SELECT r.to_id AS n1 FROM s0 AS s CROSS JOIN rel_old AS r LEFT JOIN entity AS e ON e.id = r.to_id AND +e.valid_from <= ($1 + 0) LEFT JOIN entity_old AS o ON o.id = CASE WHEN e.id IS NULL THEN r.to_id END AND +o.valid_from <= ($1 + 0) AND o.valid_to > ($1 + 0) WHERE r.from_id = s.n0 AND r.kind = 8 AND +r.valid_from <= ($1 + 0) AND r.valid_to > ($1 + 0) AND COALESCE(e.id, o.id) IS NOT NULL AND CASE WHEN e.id IS NULL THEN o.state ELSE e.state END = ($5 || ''))
SELECT (CASE WHEN e1.id IS NULL THEN o1.props ELSE e1.props END -> $6) FROM s1 AS s LEFT JOIN entity AS e1 ON e1.id = s.n1 AND +e1.valid_from <= ($1 + 0) LEFT JOIN entity_old AS o1 ON o1.id = CASE WHEN e1.id IS NULL THEN s.n1 END AND +o1.valid_from <= ($1 + 0) AND o1.valid_to > ($1 + 0) ORDER BY s.n1
-- $1 int64 1772323200000000
-- $2 string $."name"
-- $3 string windlass
-- $4 int64 1772323200000000
-- $5 string OPEN
-- $6 string $."title"

-- restricted_viewer
-- FIND CodeRepo THAT HAS PR WITH state = 'OPEN' AS p RETURN COUNT(p)
WITH s0 AS MATERIALIZED (SELECT e.id AS n1 FROM entity AS e WHERE e.kind = 9 AND e.state = ($1 || '') AND (e.repo IN (SELECT value FROM json_each($2)) OR e.repo IS NULL AND e.project IN (SELECT value FROM json_each($3)) OR e.id IN (SELECT value FROM json_each($4)) OR e.repo IS NULL AND e.project IS NULL AND NOT (e.kind IN (8, 10)))),
s1 AS MATERIALIZED (SELECT DISTINCT s.n1 FROM s0 AS s CROSS JOIN rel AS r CROSS JOIN entity AS e WHERE r.to_id = s.n1 AND r.kind = 8 AND e.id = r.from_id AND (e.repo IN (SELECT value FROM json_each($2)) OR e.repo IS NULL AND e.project IN (SELECT value FROM json_each($3)) OR e.id IN (SELECT value FROM json_each($4)) OR e.repo IS NULL AND e.project IS NULL AND NOT (e.kind IN (8, 10))))
SELECT s.a0 FROM (SELECT COUNT(a0) AS a0 FROM (SELECT s.n1 AS a0 FROM s1 AS s) AS g) AS s
-- $1 string OPEN
-- $2 string [7,8]
-- $3 string [9]
-- $4 string [7,8,9]

