-- Rooms that shoppers wait in.

-- +goose Up
ALTER TABLE queue.rooms
    DROP CONSTRAINT rooms_mode_check,
    ADD CONSTRAINT rooms_mode_check CHECK (mode IN ('off', 'on', 'auto', 'paused')),
    -- What happens while the line cannot be reached: open lets some through, closed nobody who has no pass.
    ADD COLUMN away text NOT NULL DEFAULT 'open' CHECK (away IN ('open', 'closed')),
    -- Of what a room stands in front of; of nothing: of every gated operation that has no room of its own.
    ADD COLUMN goods text CHECK (goods IN ('drop', 'coupon')),
    ADD COLUMN goods_id uuid UNIQUE,
    ADD CONSTRAINT rooms_goods_whole CHECK ((goods IS NULL) = (goods_id IS NULL)),
    -- When it lets people in, those who came before by lots that are made with the seed.
    ADD COLUMN opens_at timestamptz,
    ADD COLUMN seed bytea CHECK (length(seed) = 32),
    ADD CONSTRAINT rooms_lots_check CHECK (opens_at IS NULL OR seed IS NOT NULL),
    -- Passes may have been handed out from the one on, and not from the other on while the mode is off.
    ADD COLUMN gated_from timestamptz,
    ADD COLUMN gated_until timestamptz,
    -- How long all but one of a hundred requests behind the gate may take, in the mode auto, and what that comes to at the moment: slots, and
    -- requests that each instance serves at once.
    ADD COLUMN target_ms integer NOT NULL DEFAULT 500 CHECK (target_ms BETWEEN 10 AND 60000),
    ADD COLUMN slots bigint,
    ADD COLUMN flights bigint;

-- What each instance has served lately behind the gate of a room in the mode auto.
CREATE UNLOGGED TABLE queue.loads (
    room_id  uuid        NOT NULL,
    instance uuid        NOT NULL,
    done     bigint      NOT NULL,
    slow     bigint      NOT NULL,
    shed     bigint      NOT NULL,
    flying   bigint      NOT NULL,
    at       timestamptz NOT NULL,
    PRIMARY KEY (room_id, instance)
);

-- The key that tickets and passes are made with, of all instances. 244 of its bits are random.
CREATE TABLE queue.seal (
    id         boolean     PRIMARY KEY DEFAULT true CHECK (id),
    key        bytea       NOT NULL CHECK (length(key) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO queue.seal (key) VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
