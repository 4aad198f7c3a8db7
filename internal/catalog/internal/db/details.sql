-- name: StandingsOf :many
-- What an answer that was encoded before depends on.
SELECT p.id, p.state, p.doc_version, (coalesce(s.on_hand, 0) - coalesce(s.reserved, 0))::bigint AS available, coalesce(s.low_at, 0)::bigint AS low_at
FROM catalog.products p
LEFT JOIN catalog.pools s ON s.id = p.id
WHERE p.id = ANY (@product_ids::uuid[]);

-- name: DocumentsOf :many
SELECT p.id, p.category_id, p.name, p.name_en, p.brand, p.color, p.size, p.list_price_won, p.price_won, p.description, p.tags,
       p.image_url, p.image_urls, p.limit_per_customer, p.state, p.sale_stopped, p.sales_count, p.doc_version, p.created_at, p.published_at,
       p.change_xid::text AS change_xid,
       coalesce(s.on_hand - s.reserved, 0)::bigint AS available, coalesce(s.low_at, 0)::bigint AS low_at
FROM catalog.products p
LEFT JOIN catalog.pools s ON s.id = p.id
WHERE p.id = ANY (@product_ids::uuid[]);
