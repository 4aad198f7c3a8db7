-- How far the copies of the products are that are kept in stores of their own: Cassandra, Elasticsearch.

-- +goose Up
-- A generation is a whole copy. Which one is current only the store knows, as that is where it changes at once for every reader.
CREATE TABLE catalog.projections (
    store        text        NOT NULL, -- cassandra, search
    generation   text        NOT NULL, -- when it was begun, in milliseconds since the epoch: a database that was restored gives no name again
    begun_under  text        NOT NULL, -- the server that it was begun under, as it was running then
    -- The next row to read is the first with (change_xid, id) > (since, after_id). A pass goes as far as there are rows, and the next one
    -- begins where every transaction had ended when this one began: at until, which is 0 between passes.
    since        xid8        NOT NULL DEFAULT '0',
    after_id     uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    until        xid8        NOT NULL DEFAULT '0',
    whole        boolean     NOT NULL DEFAULT true, -- the pass began at the very beginning
    documents    bigint      NOT NULL DEFAULT 0,    -- that were read for it
    caught_up_at timestamptz,                       -- what had been committed by then is in it; NULL: not all of it yet
    retired_at   timestamptz,                       -- it is to be dropped; NULL: it follows
    PRIMARY KEY (store, generation)
) WITH (fillfactor = 50);
