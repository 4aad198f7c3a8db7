-- Refunds after shipping: they take back what an order had earned by the goods, and bring back the points that had paid for them.
--
-- Locks are taken in the order of 0015. A take-back, and what came back of a purchase, change under the lock of the account's balance.

-- +goose Up

-- What refunds took back of the points that their orders had earned.
CREATE TABLE accounts.point_take_backs (
    refund_id  uuid        PRIMARY KEY,
    order_id   uuid        NOT NULL,
    account_id uuid        NOT NULL,
    won        bigint      NOT NULL CHECK (won > 0),                  -- what had been paid for the goods, in money
    left_won   bigint      NOT NULL CHECK (left_won >= won),          -- what was left of the purchase before
    owed       bigint      NOT NULL CHECK (owed >= 0),                -- what the goods had earned
    taken      bigint      NOT NULL CHECK (taken BETWEEN 0 AND owed), -- of that, what the account still had
    state      text        NOT NULL CHECK (state IN ('taken', 'undone')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX point_take_backs_order_idx ON accounts.point_take_backs (order_id);
CREATE INDEX point_take_backs_updated_idx ON accounts.point_take_backs (updated_at);

-- Of a purchase that came back in whole nothing counts any more; its row stays. A review counts a return as it counts a purchase.
ALTER TABLE accounts.purchases
    ADD COLUMN returned_won bigint NOT NULL DEFAULT 0, -- the sum of its take-backs that are not undone
    ADD CONSTRAINT purchases_returned_check CHECK (returned_won BETWEEN 0 AND won);
DROP INDEX accounts.purchases_account_idx;
CREATE INDEX purchases_account_idx ON accounts.purchases (account_id, confirmed_at) INCLUDE (won, returned_won, counted_at);

-- An order is refunded in parts: it has a line of a kind for each of its refunds, and one without.
ALTER TABLE accounts.point_entries
    ADD COLUMN refund_id uuid,
    DROP CONSTRAINT point_entries_kind_check,
    DROP CONSTRAINT point_entries_check,
    DROP CONSTRAINT point_entries_check1,
    ADD CONSTRAINT point_entries_kind_check
        CHECK (kind IN ('earn', 'use', 'return', 'grant', 'revoke', 'take_back', 'undo_take_back')),
    ADD CONSTRAINT point_entries_sign_check CHECK ((points > 0) = (kind IN ('earn', 'return', 'grant', 'undo_take_back'))),
    ADD CONSTRAINT point_entries_order_check CHECK ((order_id IS NULL) = (kind IN ('grant', 'revoke'))),
    ADD CONSTRAINT point_entries_refund_check CHECK (CASE WHEN refund_id IS NULL
        THEN kind NOT IN ('take_back', 'undo_take_back') ELSE kind IN ('return', 'take_back', 'undo_take_back') END);
DROP INDEX accounts.point_entries_order_idx;
CREATE UNIQUE INDEX point_entries_order_idx ON accounts.point_entries (order_id, kind, coalesce(refund_id, order_id))
    WHERE order_id IS NOT NULL;

-- return: goods came back, and with them the points that had paid for them. undo: the refund was refused.
ALTER TABLE accounts.point_settlements
    ADD COLUMN refund_id uuid,
    DROP CONSTRAINT point_settlements_action_check,
    DROP CONSTRAINT point_settlements_check,
    ADD CONSTRAINT point_settlements_action_check CHECK (action IN ('use', 'release', 'confirm', 'return', 'undo')),
    ADD CONSTRAINT point_settlements_won_check CHECK ((won > 0) = (action IN ('confirm', 'return'))), -- of return: the points
    ADD CONSTRAINT point_settlements_refund_check CHECK ((refund_id IS NOT NULL) = (action IN ('return', 'undo')));

ALTER TABLE accounts.notifications DROP CONSTRAINT notifications_kind_check;
ALTER TABLE accounts.notifications ADD CONSTRAINT notifications_kind_check
    CHECK (kind IN ('order_paid', 'order_shipped', 'order_delivered', 'order_canceled', 'order_expired', 'order_refunded', 'tier_changed'));
