-- name: Horizon :one
-- Every transaction below it has ended, and what it did can be seen; those that haven't, or began later, are not below it.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xmin;

-- name: ChangesSince :many
SELECT p.id, p.category_id, p.name, p.name_en, p.brand, p.color, p.size, p.list_price_won, p.price_won, p.description, p.tags,
       p.image_url, p.limit_per_customer, p.state, p.sale_stopped, p.sales_count, p.doc_version, p.created_at, p.published_at,
       p.change_xid::text AS change_xid,
       coalesce(s.on_hand - s.reserved, 0)::bigint AS available, coalesce(s.low_at, 0)::bigint AS low_at
FROM catalog.products p
LEFT JOIN catalog.pools s ON s.id = p.id
WHERE (p.change_xid, p.id) > (CAST(@since::text AS xid8), @after_id::uuid)
  AND (@whole::boolean OR p.change_xid < pg_snapshot_xmax(pg_current_snapshot()))
ORDER BY p.change_xid, p.id
LIMIT @row_limit;
