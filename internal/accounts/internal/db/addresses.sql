-- name: InsertAddress :one
INSERT INTO accounts.addresses (id, account_id, alias, recipient, phone, zipcode, line1, line2, is_default, created_at, updated_at)
VALUES (@id, @account_id, @alias, @recipient, @phone, @zipcode, @line1, @line2, @is_default, @at, @at)
RETURNING *;

-- name: CountAddresses :one
SELECT count(*) FROM accounts.addresses WHERE account_id = @account_id;

-- name: AddressesOf :many
SELECT * FROM accounts.addresses
WHERE account_id = @account_id AND id > @after
ORDER BY id
LIMIT @max_rows;

-- name: AddressesByID :many
SELECT * FROM accounts.addresses WHERE id = ANY (@ids::uuid[]);

-- name: ClearDefaultAddress :exec
UPDATE accounts.addresses SET is_default = false, updated_at = @at WHERE account_id = @account_id AND is_default AND id <> @but;

-- name: UpdateAddress :one
UPDATE accounts.addresses SET
    alias      = coalesce(sqlc.narg('alias'), alias),
    recipient  = coalesce(sqlc.narg('recipient'), recipient),
    phone      = coalesce(sqlc.narg('phone'), phone),
    zipcode    = coalesce(sqlc.narg('zipcode'), zipcode),
    line1      = coalesce(sqlc.narg('line1'), line1),
    line2      = coalesce(sqlc.narg('line2'), line2),
    is_default = coalesce(sqlc.narg('is_default'), is_default),
    updated_at = @at
WHERE id = @id AND account_id = @account_id
RETURNING *;

-- name: DeleteAddress :execrows
DELETE FROM accounts.addresses WHERE id = @id AND account_id = @account_id;

-- name: DeleteAddresses :exec
DELETE FROM accounts.addresses WHERE account_id = @account_id;
