-- name: Rooms :many
-- Rooms are few: an admin names each. The limit is there so that nothing is unbounded.
SELECT * FROM queue.rooms ORDER BY name LIMIT 1000;

-- name: CountRooms :one
SELECT count(*) FROM queue.rooms;

-- name: RoomForUpdate :one
SELECT * FROM queue.rooms WHERE name = $1 FOR UPDATE;

-- name: InsertRoom :one
INSERT INTO queue.rooms (id, version, name, mode, capacity, away, goods, goods_id, updated_at)
VALUES ($1, 1, $2, 'off', $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
RETURNING *;

-- name: ChangeRoom :one
UPDATE queue.rooms
SET version = version + 1, mode = $2, capacity = $3, away = $4, opens_at = $5, seed = $6, gated_from = $7, gated_until = $8, target_ms = $9,
    updated_at = $10
WHERE id = $1
RETURNING *;

-- name: DeleteRoom :exec
DELETE FROM queue.rooms WHERE id = $1;

-- name: PutLoad :exec
INSERT INTO queue.loads (room_id, instance, done, slow, shed, flying, at) VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())
ON CONFLICT (room_id, instance) DO UPDATE
SET done = EXCLUDED.done, slow = EXCLUDED.slow, shed = EXCLUDED.shed, flying = EXCLUDED.flying, at = EXCLUDED.at;

-- name: Loads :many
-- What the instances that are alive have served, summed.
SELECT room_id, count(*) AS instances, sum(done)::bigint AS done, sum(slow)::bigint AS slow, sum(shed)::bigint AS shed, sum(flying)::bigint AS flying
FROM queue.loads WHERE at > clock_timestamp() - interval '3 seconds'
GROUP BY room_id;

-- name: TrimLoads :exec
DELETE FROM queue.loads WHERE at < clock_timestamp() - interval '1 hour';

-- name: SteerRoom :exec
UPDATE queue.rooms SET slots = $2, flights = $3 WHERE id = $1 AND mode = 'auto';

-- name: Seal :one
SELECT key FROM queue.seal;
