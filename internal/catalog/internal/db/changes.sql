-- name: Horizon :one
-- Every transaction below it has ended, and what it did can be seen; those that haven't, or began later, are not below it.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xmin, now()::timestamptz AS at;

-- name: ChangesSince :many
SELECT p.id, p.category_id, p.name, p.name_en, p.brand, p.color, p.size, p.list_price_won, p.price_won, p.description, p.tags,
       p.image_url, p.image_urls, p.limit_per_customer, p.state, p.sale_stopped, p.sales_count, p.doc_version, p.created_at, p.published_at,
       p.change_xid::text AS change_xid,
       coalesce(s.on_hand - s.reserved, 0)::bigint AS available, coalesce(s.low_at, 0)::bigint AS low_at
FROM catalog.products p
LEFT JOIN catalog.pools s ON s.id = p.id
WHERE (p.change_xid, p.id) > (CAST(@since::text AS xid8), @after_id::uuid)
  AND (@whole::boolean OR p.change_xid < pg_snapshot_xmax(pg_current_snapshot()))
ORDER BY p.change_xid, p.id
LIMIT @row_limit;

-- name: ProjectionsOf :many
SELECT generation, begun_under, since::text AS since, after_id, until::text AS until, whole, documents, caught_up_at, retired_at,
       coalesce(retired_at < clock_timestamp() - interval '10 seconds', false)::boolean AS unread -- whoever reads has heard of the next by now
FROM catalog.projections
WHERE store = @store
ORDER BY generation;

-- name: Server :one
-- The server as it is running: after a restore it is another one, or the database is.
SELECT (pg_postmaster_start_time()::text || ' ' || (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())::text)::text AS server;

-- name: BeginProjection :exec
-- Begins a generation, unless one other than the current is under way.
INSERT INTO catalog.projections (store, generation, begun_under)
SELECT @store, (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text, @begun_under::text
WHERE NOT EXISTS (SELECT FROM catalog.projections p WHERE p.store = @store AND p.generation <> @current AND p.retired_at IS NULL)
ON CONFLICT DO NOTHING;

-- name: KeepProjection :exec
UPDATE catalog.projections
SET since = CAST(@since::text AS xid8), after_id = @after_id, until = CAST(@until::text AS xid8), whole = @whole, documents = @documents,
    caught_up_at = @caught_up_at
WHERE store = @store AND generation = @generation;

-- name: RetireProjection :exec
-- Retires a generation, also one that this database has not heard of: it was restored to a time before that was begun.
INSERT INTO catalog.projections (store, generation, begun_under, retired_at) VALUES (@store, @generation, '', clock_timestamp())
ON CONFLICT (store, generation) DO UPDATE SET retired_at = coalesce(catalog.projections.retired_at, excluded.retired_at);

-- name: DropProjection :exec
DELETE FROM catalog.projections WHERE store = @store AND generation = @generation;

-- name: ProjectionLags :many
-- How long ago that was which each store is known to have.
SELECT store, extract(epoch FROM clock_timestamp() - max(caught_up_at))::float8 AS seconds
FROM catalog.projections
WHERE retired_at IS NULL AND caught_up_at IS NOT NULL
GROUP BY store
ORDER BY store;

-- name: ProductsAfter :many
-- What each product's document says, and whether it has said so for some seconds.
SELECT p.id, p.state, p.doc_version, coalesce(s.on_hand - s.reserved, 0)::bigint AS available, coalesce(s.low_at, 0)::bigint AS low_at,
       (p.updated_at < @resting_since AND NOT EXISTS (SELECT FROM catalog.product_marks m WHERE m.product_id = p.id))::boolean AS at_rest
FROM catalog.products p
LEFT JOIN catalog.pools s ON s.id = p.id
WHERE p.id > @after
ORDER BY p.id
LIMIT @row_limit;
