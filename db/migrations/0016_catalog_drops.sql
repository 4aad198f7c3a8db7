-- Stock that is set apart for pre-orders.

-- +goose Up
-- A drop is its pool's, with the same id, and stands apart from it: the pool's row stays as narrow as it was, so that what orders
-- change of it still fits its page, and who orders anything else reads nothing of drops. It is read in a statement after the one that
-- locks the pool: what a statement joins to a row that it had to wait for is as it was before the wait, and so would the window be.
-- Whoever writes here holds the lock of the pool.
CREATE TABLE catalog.drops (
    id         uuid        PRIMARY KEY,
    product_id uuid        NOT NULL REFERENCES catalog.products (id),
    quantity   bigint      NOT NULL CHECK (quantity > 0), -- = what its pool has on hand + what was sold of it + returned
    returned   bigint      NOT NULL DEFAULT 0,            -- to general stock, when it was closed and since
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,
    closed     boolean     NOT NULL DEFAULT false,
    revision   bigint      NOT NULL CHECK (revision > 0), -- of the settings: whoever is slow does not put old ones over new ones
    CHECK (starts_at < ends_at),
    CHECK (0 <= returned AND returned <= quantity AND (closed OR returned = 0))
);

-- What goes from one pool to another is a line of each, with the same drop: set_aside into it, set_back out of it.
ALTER TABLE catalog.stock_movements
    ADD COLUMN drop_id uuid,
    DROP CONSTRAINT stock_movements_kind_check,
    ADD CONSTRAINT stock_movements_kind_check CHECK (kind IN ('receive', 'adjust', 'damage', 'sell', 'restock', 'set_aside', 'set_back')),
    ADD CONSTRAINT stock_movements_drop_check CHECK ((drop_id IS NOT NULL) = (kind IN ('set_aside', 'set_back')));
CREATE INDEX ON catalog.stock_movements (drop_id) WHERE drop_id IS NOT NULL;
