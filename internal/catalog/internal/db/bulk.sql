-- name: PublishDue :many
-- Drafts whose moment has come, in the order in which products are locked.
UPDATE catalog.products p
SET state = 'published', published_at = p.publish_at, publish_at = NULL,
    doc_version = p.doc_version + 1, version = p.version + 1, revision = p.revision + 1, updated_at = @at::timestamptz
FROM (
    SELECT l.id, l.publish_at FROM catalog.products l
    WHERE l.id IN (SELECT d.id FROM catalog.products d WHERE d.publish_at <= @at::timestamptz ORDER BY d.publish_at LIMIT @row_limit)
    ORDER BY l.id
    FOR NO KEY UPDATE
) due
WHERE p.id = due.id AND p.publish_at <= @at::timestamptz
RETURNING p.id, p.version, p.doc_version;

-- name: LockProducts :many
-- In the order in which products are locked, each as it is once nobody else can change it.
SELECT id, category_id, name, name_en, brand, color, size, list_price_won, price_won, description, tags, limit_per_customer,
       state, sale_stopped, publish_at
FROM catalog.products WHERE id = ANY (@ids::uuid[]) ORDER BY id FOR NO KEY UPDATE;

-- name: KnownCategories :many
SELECT id FROM catalog.categories WHERE id = ANY (@ids::uuid[]);

-- name: PutProducts :many
-- Makes those that are new, whose revision is 1 then, and changes the others. No publish_at is the year 1.
WITH line AS (
    SELECT unnest(@ids::uuid[]) AS id, unnest(@category_ids::uuid[]) AS category_id, unnest(@names::text[]) AS name,
           unnest(@names_en::text[]) AS name_en, unnest(@brands::text[]) AS brand, unnest(@colors::text[]) AS color,
           unnest(@sizes::text[]) AS size, unnest(@list_prices_won::bigint[]) AS list_price_won, unnest(@prices_won::bigint[]) AS price_won,
           unnest(@descriptions::text[]) AS description, unnest(@tags::text[]) AS tags, unnest(@limits::integer[]) AS limit_per_customer,
           unnest(@states::text[]) AS state, unnest(@sale_stopped::boolean[]) AS sale_stopped, unnest(@publish_at::timestamptz[]) AS publish_at
), put AS (
    INSERT INTO catalog.products AS p (id, category_id, name, name_en, brand, color, size, list_price_won, price_won, description, tags,
                                       limit_per_customer, state, sale_stopped, publish_at, published_at, version, created_at, updated_at)
    SELECT l.id, l.category_id, l.name, l.name_en, l.brand, l.color, l.size, l.list_price_won, l.price_won, l.description,
           ARRAY(SELECT jsonb_array_elements_text(l.tags::jsonb)), l.limit_per_customer, l.state, l.sale_stopped,
           nullif(l.publish_at, '0001-01-01 00:00:00+00'), CASE WHEN l.state = 'published' THEN @at::timestamptz END, 1, @at, @at
    FROM line l ORDER BY l.id
    ON CONFLICT (id) DO UPDATE
    SET category_id = excluded.category_id, name = excluded.name, name_en = excluded.name_en, brand = excluded.brand, color = excluded.color,
        size = excluded.size, list_price_won = excluded.list_price_won, price_won = excluded.price_won, description = excluded.description,
        tags = excluded.tags, limit_per_customer = excluded.limit_per_customer, state = excluded.state, sale_stopped = excluded.sale_stopped,
        publish_at = excluded.publish_at, published_at = coalesce(p.published_at, excluded.published_at),
        doc_version = p.doc_version + 1, version = p.version + 1, revision = p.revision + 1, updated_at = excluded.updated_at
    RETURNING p.id, p.version, p.doc_version, p.revision
), pool AS (
    INSERT INTO catalog.pools (id, product_id) SELECT id, id FROM put WHERE revision = 1
)
SELECT id, version, doc_version, revision FROM put;

-- name: ExportPage :many
SELECT id, category_id, name, name_en, brand, color, size, list_price_won, price_won, description, tags, limit_per_customer,
       state, sale_stopped, publish_at
FROM catalog.products WHERE id > @after::uuid ORDER BY id LIMIT @row_limit;
