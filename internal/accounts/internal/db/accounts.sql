-- name: InsertAccount :one
INSERT INTO accounts.accounts (id, version, email, name, password_hash, role, state, tokens_from, created_at, updated_at)
VALUES (@id, 1, @email::text, @name, @password_hash, @role, 'active', @at, @at, @at)
ON CONFLICT (email) DO NOTHING
RETURNING *;

-- name: EmailTaken :one
SELECT EXISTS (SELECT FROM accounts.accounts WHERE email = @email::text);

-- name: AccountByEmail :one
SELECT * FROM accounts.accounts WHERE email = @email::text;

-- name: AccountOf :one
SELECT * FROM accounts.accounts WHERE id = @id AND state <> 'closed';

-- name: AccountWithPoints :one
SELECT sqlc.embed(a), coalesce(b.balance - b.held, 0)::bigint AS spendable
FROM accounts.accounts a
LEFT JOIN accounts.point_balances b ON b.account_id = a.id
WHERE a.id = @id AND a.state <> 'closed';

-- name: ShareAccount :one
-- Keeps the account as it is until the transaction ends; others may do the same.
SELECT * FROM accounts.accounts WHERE id = @id AND state <> 'closed' FOR SHARE;

-- name: LockAccount :one
SELECT * FROM accounts.accounts WHERE id = @id AND state <> 'closed' FOR NO KEY UPDATE;

-- name: LockGuard :one
SELECT name FROM accounts.guards WHERE name = @name FOR UPDATE;

-- name: OtherAdmins :one
SELECT count(*) FROM accounts.accounts WHERE role = 'admin' AND state = 'active' AND id <> @id;

-- name: Rename :one
UPDATE accounts.accounts SET name = @name, updated_at = @at
WHERE id = @id AND state = 'active'
RETURNING *;

-- name: SetPassword :exec
UPDATE accounts.accounts SET password_hash = @password_hash, updated_at = @at WHERE id = @id;

-- name: SetRole :one
UPDATE accounts.accounts SET role = @role, version = version + 1, updated_at = @at
WHERE id = @id
RETURNING *;

-- name: Suspend :one
UPDATE accounts.accounts SET state = 'suspended', suspended_reason = @reason, version = version + 1, updated_at = @at
WHERE id = @id
RETURNING *;

-- name: Reinstate :one
UPDATE accounts.accounts SET state = 'active', suspended_reason = '', version = version + 1, updated_at = @at
WHERE id = @id
RETURNING *;

-- name: CloseAccount :one
UPDATE accounts.accounts SET state = 'closed', closed_at = @at::timestamptz, email = NULL, name = '', password_hash = '', suspended_reason = '',
    version = version + 1, updated_at = @at::timestamptz
WHERE id = @id
RETURNING *;

-- name: FoundAccounts :many
-- Newest first. What is looked for is a prefix of the email or of the name, already escaped for LIKE.
SELECT * FROM accounts.accounts
WHERE (sqlc.narg('before')::uuid IS NULL OR id < sqlc.narg('before'))
  AND (sqlc.narg('role')::text IS NULL OR role = sqlc.narg('role'))
  AND (sqlc.narg('state')::text IS NULL OR state = sqlc.narg('state'))
  AND (sqlc.narg('prefix')::text IS NULL OR email LIKE sqlc.narg('prefix') OR lower(name) LIKE sqlc.narg('prefix'))
ORDER BY id DESC
LIMIT @max_rows;
