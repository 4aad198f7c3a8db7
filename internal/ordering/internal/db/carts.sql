-- name: CartLinesOf :many
SELECT l.* FROM ordering.cart_lines l JOIN ordering.carts c USING (account_id)
WHERE l.account_id = @account_id AND c.expires_at > @now
ORDER BY l.added_at, l.product_id;

-- name: RemoveExpiredCart :exec
DELETE FROM ordering.carts WHERE account_id = @account_id AND expires_at <= @now;

-- name: KeepCart :exec
-- Locks the cart, makes it if need be, and lets it live on.
INSERT INTO ordering.carts (account_id, expires_at) VALUES (@account_id, @expires_at)
ON CONFLICT (account_id) DO UPDATE SET expires_at = EXCLUDED.expires_at;

-- name: CountOtherCartLines :one
SELECT count(*) FROM ordering.cart_lines WHERE account_id = @account_id AND product_id <> @product_id;

-- name: PutCartLine :exec
INSERT INTO ordering.cart_lines (account_id, product_id, quantity, seen_price_won, added_at)
VALUES (@account_id, @product_id, @quantity, @seen_price_won, @added_at)
ON CONFLICT (account_id, product_id) DO UPDATE SET quantity = EXCLUDED.quantity, seen_price_won = EXCLUDED.seen_price_won;

-- name: RemoveCartLine :exec
DELETE FROM ordering.cart_lines WHERE account_id = @account_id AND product_id = @product_id;

-- name: AccountsWithCarts :many
SELECT DISTINCT account_id FROM ordering.cart_lines WHERE account_id = ANY(@account_ids::uuid[]);

-- name: LockCarts :many
-- In one order, so that two who take from several never wait for each other.
SELECT account_id FROM ordering.carts
WHERE account_id = ANY(@account_ids::uuid[]) AND expires_at > @now ORDER BY account_id FOR UPDATE;

-- name: KeepCarts :exec
UPDATE ordering.carts SET expires_at = @expires_at WHERE account_id = ANY(@account_ids::uuid[]);

-- name: ClearCart :exec
DELETE FROM ordering.carts WHERE account_id = @account_id;

-- name: RemoveExpiredCarts :execrows
DELETE FROM ordering.carts WHERE account_id IN (
    SELECT c.account_id FROM ordering.carts c WHERE c.expires_at <= @now ORDER BY c.expires_at LIMIT @at_most FOR UPDATE SKIP LOCKED);
