package main

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/coupons"
)

func TestClaimByStatement(t *testing.T) {
	t.Parallel()

	t.Run("NeverOversells", func(t *testing.T) {
		t.Parallel()

		neverOversells(t, claims{}, coupons.ErrSoldOut)
	})

	t.Run("RepeatsAreTheSame", func(t *testing.T) {
		t.Parallel()

		w, campaign := setup(t, claims{}, 1)
		pool, err := w.openPool(t.Context(), 2)
		require.NoError(t, err)
		defer pool.Close()
		account := uuid.New()
		first, err := (statements{pool}).claim(t.Context(), campaign, account)
		require.NoError(t, err)
		again, err := (statements{pool}).claim(t.Context(), campaign, account)
		require.NoError(t, err)

		require.False(t, first.Repeated)
		first.Repeated = true
		require.Equal(t, first, again)
	})
}

// TestClaimsTally breaks the books in each way that a tally is there to see.
func TestClaimsTally(t *testing.T) {
	t.Parallel()

	w, campaign := setup(t, claims{}, plenty)
	account := uuid.New()
	err := w.onDatabase(t.Context(), func(conn *pgxpool.Conn) error {
		return execAll(t.Context(), conn, `ALTER TABLE coupons.coupons DROP CONSTRAINT coupons_one_per_account`,
			`INSERT INTO coupons.coupons (id, version, campaign_id, account_id, claimed_at)
			 SELECT gen_random_uuid(), 1, '`+campaign.String()+`', '`+account.String()+`', now() FROM generate_series(1, 3)`,
			`UPDATE coupons.counters SET taken = 2 WHERE campaign_id = '`+campaign.String()+`'`)
	})
	require.NoError(t, err)
	got, err := w.tally(t.Context(), claims{}, campaign, 5)
	require.NoError(t, err)

	require.EqualValues(t, 2, got.lost())
	require.EqualValues(t, 2, got.doubled())
	require.True(t, got.miscounted())
	require.Equal(t, "a way: of 5 claims, lost 2, doubled 2; in 1 of 1 campaigns the counter is not the number of its coupons", outcome("a way", claims{}.words(), got))
	require.Zero(t, tally{promised: 1, rows: 2, holders: 2, counted: 2}.lost()) // an answer that was lost is no coupon that was
}
