-- name: SigningKeys :many
SELECT * FROM accounts.signing_keys ORDER BY generation;

-- name: InsertSigningKey :execrows
INSERT INTO accounts.signing_keys (generation, kid, seed, created_at, active_from)
VALUES (@generation, @kid, @seed, @created_at, @active_from)
ON CONFLICT DO NOTHING;

-- name: PruneSigningKeys :execrows
-- A key is in use until the next one is; it goes when that was long enough ago.
DELETE FROM accounts.signing_keys k
WHERE EXISTS (SELECT FROM accounts.signing_keys n WHERE n.generation > k.generation AND n.active_from < @replaced_before);
