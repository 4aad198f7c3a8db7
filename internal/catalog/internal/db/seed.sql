-- name: SeededBetween :many
SELECT id FROM catalog.products WHERE id BETWEEN @first_id AND @last_id;

-- name: LockSeed :exec
-- One seeding at a time; another waits for the chunk and then finds it there.
SELECT pg_advisory_xact_lock(hashtextextended('catalog.seed', 0));
