-- name: Rooms :many
-- Rooms are few: an admin names each. The limit is there so that nothing is unbounded.
SELECT * FROM queue.rooms ORDER BY name LIMIT 1000;

-- name: RoomForUpdate :one
SELECT * FROM queue.rooms WHERE name = $1 FOR UPDATE;

-- name: ChangeRoom :one
UPDATE queue.rooms SET version = version + 1, mode = $2, capacity = $3, updated_at = $4
WHERE id = $1
RETURNING *;
