-- name: OffersOf :many
SELECT p.id, p.category_id, p.name, p.brand, p.image_url, p.price_won, p.limit_per_customer, p.sale_stopped, p.tags,
       coalesce(s.on_hand - s.reserved, 0)::bigint AS available, coalesce(s.low_at, 0)::bigint AS low_at
FROM catalog.products p
LEFT JOIN catalog.pools s ON s.id = p.id
WHERE p.id = ANY (@product_ids::uuid[]) AND p.state = 'published';

-- name: ProductOf :one
SELECT p.id, p.category_id, p.name, p.name_en, p.brand, p.color, p.size, p.list_price_won, p.price_won, p.description, p.tags,
       p.image_url, p.image_urls, p.limit_per_customer, p.state, p.sale_stopped, p.sales_count, p.doc_version, p.version, p.revision,
       p.created_at, p.updated_at, p.published_at, p.publish_at,
       coalesce(s.on_hand, 0)::bigint AS on_hand, coalesce(s.reserved, 0)::bigint AS reserved, coalesce(s.low_at, 0)::bigint AS low_at
FROM catalog.products p
LEFT JOIN catalog.pools s ON s.id = p.id
WHERE p.id = $1;

-- name: LockProduct :one
SELECT id FROM catalog.products WHERE id = $1 FOR NO KEY UPDATE;

-- name: InsertProduct :exec
WITH product AS (
    INSERT INTO catalog.products (id, category_id, name, name_en, brand, color, size, list_price_won, price_won, description, tags,
                                  limit_per_customer, publish_at, version, created_at, updated_at)
    VALUES (@id, @category_id, @name, @name_en, @brand, @color, @size, @list_price_won, @price_won, @description, @tags,
            @limit_per_customer, @publish_at, 1, @at, @at)
    RETURNING id
)
INSERT INTO catalog.pools (id, product_id) SELECT id, id FROM product;

-- name: UpdateProduct :exec
UPDATE catalog.products
SET category_id = @category_id, name = @name, name_en = @name_en, brand = @brand, color = @color, size = @size,
    list_price_won = @list_price_won, price_won = @price_won, description = @description, tags = @tags,
    limit_per_customer = @limit_per_customer, publish_at = @publish_at,
    doc_version = doc_version + 1, version = version + 1, revision = revision + 1, updated_at = @at
WHERE id = @id;

-- name: SetProductState :exec
UPDATE catalog.products
SET state = @state, sale_stopped = @sale_stopped, publish_at = CASE WHEN @state::text = 'draft' THEN publish_at END,
    published_at = CASE WHEN @state::text = 'published' THEN coalesce(published_at, @at::timestamptz) ELSE published_at END,
    doc_version = doc_version + 1, version = version + 1, revision = revision + 1, updated_at = @at::timestamptz
WHERE id = @id;

-- name: ProductsPage :many
-- Newest first. The text is looked for as it stands, so no character of it has a meaning.
SELECT p.id, p.category_id, p.name, p.name_en, p.brand, p.color, p.size, p.list_price_won, p.price_won, p.description, p.tags,
       p.image_url, p.image_urls, p.limit_per_customer, p.state, p.sale_stopped, p.sales_count, p.doc_version, p.version, p.revision,
       p.created_at, p.updated_at, p.published_at, p.publish_at,
       coalesce(s.on_hand, 0)::bigint AS on_hand, coalesce(s.reserved, 0)::bigint AS reserved, coalesce(s.low_at, 0)::bigint AS low_at
FROM catalog.products p
LEFT JOIN catalog.pools s ON s.id = p.id
WHERE p.id < @before::uuid
  AND (@state::text = '' OR p.state = @state)
  AND (@text::text = '' OR position(lower(@text) IN lower(p.name || ' ' || p.name_en || ' ' || p.brand)) > 0)
ORDER BY p.id DESC
LIMIT @row_limit;

-- name: TakeMarks :many
-- What was marked since the last time, product by product, in the order in which products are locked. Nothing is skipped: sales
-- that went back must not be counted before those that they were of.
WITH taken AS (
    DELETE FROM catalog.product_marks
    WHERE id IN (SELECT m.id FROM catalog.product_marks m ORDER BY m.id LIMIT @row_limit FOR UPDATE)
    RETURNING product_id, sold
)
SELECT product_id, sum(sold)::bigint AS sold FROM taken GROUP BY product_id ORDER BY product_id;

-- name: TouchProducts :many
UPDATE catalog.products p
SET sales_count = greatest(p.sales_count + m.sold, 0), doc_version = p.doc_version + 1, version = p.version + 1, updated_at = @at
FROM (
    SELECT l.id, m.sold
    FROM (SELECT unnest(@product_ids::uuid[]) AS id, unnest(@sold::bigint[]) AS sold) m
    JOIN (SELECT id FROM catalog.products WHERE id = ANY (@product_ids::uuid[]) ORDER BY id FOR NO KEY UPDATE) l ON l.id = m.id
) m
WHERE p.id = m.id
RETURNING p.id, p.version, p.doc_version;
