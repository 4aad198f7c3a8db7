-- name: InsertNotification :execrows
-- Nothing is told to a closed account. The lock makes a closing wait, so that it erases this row too.
INSERT INTO accounts.notifications (id, account_id, event_id, kind, params, created_at)
SELECT @id, a.id, @event_id, @kind, @params, @at
FROM accounts.accounts a WHERE a.id = @account_id AND a.state <> 'closed' FOR SHARE
ON CONFLICT (event_id, account_id) DO NOTHING;

-- name: NotificationsOf :many
SELECT * FROM accounts.notifications
WHERE account_id = @account_id AND (sqlc.narg('before')::uuid IS NULL OR id < sqlc.narg('before'))
ORDER BY id DESC
LIMIT @max_rows;

-- name: ReadNotifications :exec
UPDATE accounts.notifications SET read_at = @at::timestamptz
WHERE account_id = @account_id AND read_at IS NULL AND id <= @up_to;

-- name: DeleteNotifications :exec
DELETE FROM accounts.notifications WHERE account_id = @account_id;

-- name: PruneNotifications :execrows
DELETE FROM accounts.notifications WHERE id IN (
    SELECT n.id FROM accounts.notifications n WHERE n.created_at < @created_before LIMIT @max_rows);

-- name: InsertNotifications :exec
-- The same to many; for the rest as above. The locks are taken in one order.
INSERT INTO accounts.notifications (id, account_id, event_id, kind, params, created_at)
SELECT n.id, a.id, @event_id, @kind, @params, @at
FROM (SELECT unnest(@ids::uuid[]) AS id, unnest(@account_ids::uuid[]) AS account_id) n
JOIN (
    SELECT l.id FROM accounts.accounts l
    WHERE l.id = ANY (@account_ids::uuid[]) AND l.state <> 'closed' ORDER BY l.id FOR SHARE
) a ON a.id = n.account_id
ON CONFLICT (event_id, account_id) DO NOTHING;
