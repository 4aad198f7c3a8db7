-- name: InsertSession :exec
INSERT INTO accounts.sessions (id, account_id, secret, created_at, access_issued_at, expires_at)
VALUES (@id, @account_id, @secret, @at, @access_issued_at, @expires_at);

-- name: InsertRefreshToken :exec
INSERT INTO accounts.refresh_tokens (hash, session_id, issued_at, expires_at)
VALUES (@hash, @session_id, @issued_at, @expires_at);

-- name: OwnerOfRefreshToken :one
SELECT s.account_id, s.id AS session_id
FROM accounts.refresh_tokens t JOIN accounts.sessions s ON s.id = t.session_id
WHERE t.hash = @hash;

-- name: LockSession :one
SELECT * FROM accounts.sessions WHERE id = @id AND ended_at IS NULL FOR UPDATE;

-- name: RefreshTokenOf :one
SELECT * FROM accounts.refresh_tokens WHERE hash = @hash AND session_id = @session_id;

-- name: UseRefreshToken :exec
UPDATE accounts.refresh_tokens SET used_at = @at::timestamptz WHERE hash = @hash;

-- name: ExtendSession :exec
UPDATE accounts.sessions SET access_issued_at = greatest(access_issued_at, @access_issued_at::timestamptz),
    expires_at = greatest(expires_at, @expires_at::timestamptz)
WHERE id = @id;

-- name: EndSession :execrows
UPDATE accounts.sessions SET ended_at = @at::timestamptz
WHERE id = @id AND account_id = @account_id AND ended_at IS NULL;

-- name: EndSessions :many
-- Ends every session of the account but one.
UPDATE accounts.sessions SET ended_at = @at::timestamptz
WHERE account_id = @account_id AND ended_at IS NULL AND id <> @but
RETURNING id;

-- name: EndOldestSessions :many
-- Ends what is over the number that an account may keep. Sessions that are being used at this instant are left alone.
UPDATE accounts.sessions SET ended_at = @at::timestamptz
WHERE id IN (
    SELECT s.id FROM accounts.sessions s
    WHERE s.account_id = @account_id AND s.ended_at IS NULL
    ORDER BY s.id DESC OFFSET @keep::int
    FOR UPDATE SKIP LOCKED)
RETURNING id;

-- name: DeleteSessions :exec
DELETE FROM accounts.sessions WHERE account_id = @account_id;

-- name: RevokeSessions :exec
INSERT INTO accounts.revocations (account_id, session_id, at, made_at)
SELECT @account_id, unnest(@session_ids::uuid[]), @at, @made_at;

-- name: RevokeOlderTokens :one
-- From now on only tokens that are issued after this hold: later than any that was issued so far, by whichever clock.
WITH moved AS (
    UPDATE accounts.accounts a SET tokens_from = greatest(a.tokens_from, @now::timestamptz, (
        SELECT max(s.access_issued_at) FROM accounts.sessions s WHERE s.account_id = a.id AND s.ended_at IS NULL)) + interval '1 millisecond'
    WHERE a.id = @account_id
    RETURNING a.id, a.tokens_from
)
INSERT INTO accounts.revocations (account_id, at, made_at)
SELECT moved.id, moved.tokens_from, @now::timestamptz FROM moved
RETURNING at;

-- name: RevocationsSince :many
SELECT account_id, session_id, at FROM accounts.revocations WHERE made_at > @since;

-- name: PruneRevocations :execrows
DELETE FROM accounts.revocations WHERE id IN (
    SELECT r.id FROM accounts.revocations r WHERE r.made_at < @made_before LIMIT @max_rows);

-- name: PruneRefreshTokens :execrows
DELETE FROM accounts.refresh_tokens WHERE hash IN (
    SELECT t.hash FROM accounts.refresh_tokens t WHERE t.expires_at < @expired_before LIMIT @max_rows);

-- name: PruneSessions :execrows
DELETE FROM accounts.sessions WHERE id IN (
    SELECT s.id FROM accounts.sessions s WHERE s.expires_at < @before::timestamptz OR s.ended_at < @before::timestamptz LIMIT @max_rows);
