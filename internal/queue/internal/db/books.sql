-- name: RoomsWithLog :many
-- Every room with the number of its changes in the audit log, and the version of its latest event, 0 for none.
SELECT r.id, r.name, r.version, r.updated_at,
    (SELECT count(*) FROM queue.audit_log a WHERE a.subject = r.id::text) AS changes,
    (SELECT coalesce(max(o.aggregate_version), 0) FROM queue.outbox o WHERE o.key = r.id)::bigint AS told
FROM queue.rooms r
ORDER BY r.name
LIMIT 1000;
