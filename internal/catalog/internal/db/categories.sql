-- name: LockCategories :exec
-- One writer of the tree at a time, so that two moves cannot make a cycle together. Readers and foreign keys don't wait.
LOCK TABLE catalog.categories IN SHARE ROW EXCLUSIVE MODE;

-- name: Categories :many
SELECT * FROM catalog.categories ORDER BY position, name, id;

-- name: CategoryOf :one
SELECT * FROM catalog.categories WHERE id = $1;

-- name: InsertCategory :one
INSERT INTO catalog.categories (id, parent_id, slug, name, name_en, position, version, created_at, updated_at)
VALUES (@id, @parent_id, @slug, @name, @name_en, @position, 1, @at, @at)
RETURNING *;

-- name: UpdateCategory :one
UPDATE catalog.categories
SET parent_id = @parent_id, slug = @slug, name = @name, name_en = @name_en, position = @position,
    version = version + 1, revision = revision + 1, updated_at = @at
WHERE id = @id
RETURNING *;

-- name: DeleteCategory :exec
DELETE FROM catalog.categories WHERE id = $1;

-- name: SeedCategories :execrows
INSERT INTO catalog.categories (id, parent_id, slug, name, name_en, position, created_at, updated_at)
SELECT c.id, nullif(c.parent_id, '00000000-0000-0000-0000-000000000000'), c.slug, c.name, c.name_en, c.position, @at, @at
FROM (
    SELECT unnest(@ids::uuid[]) AS id, unnest(@parent_ids::uuid[]) AS parent_id, unnest(@slugs::text[]) AS slug,
           unnest(@names::text[]) AS name, unnest(@names_en::text[]) AS name_en, unnest(@positions::integer[]) AS position
) c
ON CONFLICT DO NOTHING;
