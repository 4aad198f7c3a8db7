-- name: BeginImage :one
-- The time by the clock that InsertImage goes by. No row: there is no such product.
SELECT clock_timestamp()::timestamptz AS began FROM catalog.products WHERE id = $1;

-- name: InsertImage :execrows
-- At the end of those of a product whose lock the caller holds. What took more than an hour since the name of its blobs was chosen comes too
-- late: after a day they are swept.
INSERT INTO catalog.images (id, product_id, name, content_hash, width, height, size_bytes, position, replaces, created_at)
SELECT @id::uuid, @product_id::uuid, @name::text, @content_hash::bytea, @width::integer, @height::integer, @size_bytes::bigint,
       coalesce((SELECT max(i.position) + 1 FROM catalog.images i WHERE i.product_id = @product_id::uuid AND i.removed_at IS NULL), 0)::integer,
       sqlc.narg('replaces')::uuid, @at::timestamptz
WHERE clock_timestamp() - interval '1 hour' < @began::timestamptz;

-- name: ImagesOf :many
-- In order.
SELECT id, product_id, name, content_hash, width, height, size_bytes, position, replaces, created_at, shown_at, removed_at
FROM catalog.images
WHERE product_id = $1 AND removed_at IS NULL
ORDER BY position, id;

-- name: OrderImages :exec
UPDATE catalog.images i SET position = o.position
FROM unnest(@image_ids::uuid[]) WITH ORDINALITY AS o (id, position)
WHERE i.id = o.id AND i.product_id = @product_id;

-- name: RemoveImage :exec
UPDATE catalog.images SET removed_at = @at::timestamptz WHERE id = @id AND removed_at IS NULL;

-- name: ShowImage :one
UPDATE catalog.images SET shown_at = @at::timestamptz WHERE id = @id AND shown_at IS NULL AND removed_at IS NULL
RETURNING replaces;

-- name: TakePlace :exec
-- The new picture stands where the old one stood, if that is still there, which is then removed.
WITH old AS (
    UPDATE catalog.images o SET removed_at = @at::timestamptz WHERE o.id = @old::uuid AND o.product_id = @product_id AND o.removed_at IS NULL
    RETURNING o.position
)
UPDATE catalog.images n SET position = old.position FROM old WHERE n.id = @new;

-- name: SetProductImages :many
-- No row: they are these already.
UPDATE catalog.products
SET image_urls = @urls::text[], image_url = sqlc.narg('url'), doc_version = doc_version + 1, version = version + 1, updated_at = @at
WHERE id = @id AND image_urls IS DISTINCT FROM @urls::text[]
RETURNING version, doc_version;

-- name: AskThumbnails :exec
INSERT INTO catalog.thumbnail_tasks (image_id, due_at)
SELECT id, @at FROM catalog.images WHERE id = @image_id AND shown_at IS NULL AND removed_at IS NULL
ON CONFLICT DO NOTHING;

-- name: TakeThumbnailTask :one
-- The next that is due. It is put off before it is tried, so that one which is the end of the process is not the first that the next
-- process meets.
UPDATE catalog.thumbnail_tasks t
SET attempts = t.attempts + 1, due_at = sqlc.arg('at')::timestamptz + least(interval '1 hour', interval '1 second' * power(2, least(t.attempts, 12)))
FROM catalog.images i
WHERE t.image_id = (SELECT n.image_id FROM catalog.thumbnail_tasks n WHERE n.due_at <= sqlc.arg('at')::timestamptz ORDER BY n.due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
  AND i.id = t.image_id
RETURNING i.id, i.product_id, i.name;

-- name: DeleteThumbnailTask :exec
DELETE FROM catalog.thumbnail_tasks WHERE image_id = $1;

-- name: RemovedImages :many
SELECT id, name FROM catalog.images WHERE removed_at < @before::timestamptz ORDER BY removed_at LIMIT @row_limit;

-- name: DeleteImage :exec
DELETE FROM catalog.images WHERE id = $1 AND removed_at IS NOT NULL;

-- name: NamedImages :many
-- Which of the names are those of pictures, removed ones too.
SELECT name FROM catalog.images WHERE name = ANY (@names::text[]);

-- name: ThumbnailsWaiting :one
SELECT count(*) FROM catalog.images WHERE shown_at IS NULL AND removed_at IS NULL;

-- name: ThumbnailsOverdue :many
SELECT id, created_at FROM catalog.images
WHERE shown_at IS NULL AND removed_at IS NULL AND created_at < now() - interval '10 minutes'
ORDER BY created_at
LIMIT $1;

-- name: CountImages :one
SELECT count(*) FROM catalog.images WHERE removed_at IS NULL;

-- name: ImagesOffProducts :many
-- Products whose addresses are not those of their pictures.
SELECT p.id, cardinality(p.image_urls)::bigint AS told, coalesce(i.n, 0)::bigint AS shown
FROM catalog.products p
LEFT JOIN (
    SELECT product_id, array_agg(@before_name::text || name || @after_name::text ORDER BY position, id) AS urls, count(*) AS n
    FROM catalog.images WHERE shown_at IS NOT NULL AND removed_at IS NULL GROUP BY product_id
) i ON i.product_id = p.id
WHERE p.image_urls IS DISTINCT FROM coalesce(i.urls, '{}')
LIMIT @row_limit;
