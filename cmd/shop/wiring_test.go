package main

import (
	"io"
	"log/slog"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/sasapick/shop/internal/platform/config"
	"github.com/sasapick/shop/internal/platform/pg"
	"github.com/sasapick/shop/internal/platform/pgtest"
	"github.com/sasapick/shop/internal/platform/platformfx"
)

func TestWiring(t *testing.T) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))

	t.Run("TheGraphIsWhole", func(t *testing.T) {
		require.NoError(t, fx.ValidateApp(wire(config.Config{}, log), platformfx.Workers(events())))
	})

	t.Run("EachSplitThatCanBeReachedIsWhole", func(t *testing.T) {
		const address = "http://127.0.0.1:1"
		for _, c := range []config.Config{
			{Modules: []string{"coupons"}, AccountsURL: address},
			{Modules: []string{"all", "-coupons"}, CouponsURL: address},
			{Modules: []string{"payments"}, AccountsURL: address},
			{Modules: []string{"all", "-payments"}, PaymentsURL: address},
			{Modules: []string{"all", "-payments", "-coupons"}, PaymentsURL: address, CouponsURL: address},
			{Modules: []string{"accounts"}},
			{Modules: []string{"all", "-accounts"}, AccountsURL: address},
			{Modules: []string{"catalog"}, AccountsURL: address},
			{Modules: []string{"queue", "catalog"}, AccountsURL: address, CouponsURL: address},
			{Modules: []string{"ordering", "catalog"}, AccountsURL: address, PaymentsURL: address, CouponsURL: address},
		} {
			require.NoError(t, reachable(c), "%+v", c.Modules)
			var s shop
			require.NoError(t, fx.ValidateApp(wire(c, log), platformfx.Workers(events()), s.populate(c), fx.Populate(&s.api, &s.registry, &s.rpc)), "%+v", c.Modules)
		}
	})

	t.Run("WhatCannotBeReachedIsRefused", func(t *testing.T) {
		const address = "http://127.0.0.1:1"
		for says, c := range map[string]config.Config{
			"modules: coupons needs accounts: host it here too, or set accounts-url to the private address of the process that does":  {Modules: []string{"coupons"}},
			"modules: ordering needs payments: host it here too, or set payments-url to the private address of the process that does": {Modules: []string{"all", "-payments"}, CouponsURL: address},
			"modules: ordering needs coupons: host it here too, or set coupons-url to the private address of the process that does":   {Modules: []string{"-coupons"}},
			"modules: ordering needs catalog in the same process":                                                                     {Modules: []string{"all", "-catalog"}},
		} {
			require.EqualError(t, reachable(c), says)
			require.Error(t, fx.ValidateApp(wire(c, log), platformfx.Workers(events())), "the table asks for more than the graph does: %+v", c.Modules)
		}
	})

	t.Run("TheTableNamesEveryModule", func(t *testing.T) {
		var names []string
		for _, m := range modules {
			names = append(names, m.name)
			require.NotEmpty(t, m.events, m.name)
		}
		require.ElementsMatch(t, config.Modules, names)
	})
}

// A module's schema is its own: it can move to another database as it is.
func TestSchemas(t *testing.T) {
	t.Run("NoForeignKeyCrossesSchemas", func(t *testing.T) {
		t.Parallel()
		conn, err := pgx.Connect(t.Context(), pgtest.URL(t))
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close(t.Context())) }()
		crossing := func() (names []string) {
			rows, err := conn.Query(t.Context(), `
				SELECT c.conname FROM pg_constraint c
				JOIN pg_class here ON here.oid = c.conrelid JOIN pg_class there ON there.oid = c.confrelid
				WHERE c.contype = 'f' AND here.relnamespace <> there.relnamespace`)
			require.NoError(t, err)
			names, err = pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			return names
		}
		require.Empty(t, crossing())
		_, err = conn.Exec(t.Context(), `CREATE TABLE queue.planted (order_id uuid REFERENCES ordering.orders (id))`)
		require.NoError(t, err)
		require.Len(t, crossing(), 1, "the test can fail")
	})

	t.Run("AModulesRoleSeesItsOwnSchema", func(t *testing.T) {
		t.Parallel()
		for _, m := range config.Modules {
			pool := pgtest.New(t, m)
			_, err := pool.Exec(t.Context(), `SELECT count(*) FROM `+m+`.outbox`)
			require.NoError(t, err)
			other := config.Modules[(slices.Index(config.Modules, m)+1)%len(config.Modules)]
			_, err = pool.Exec(t.Context(), `SELECT count(*) FROM `+other+`.outbox`)
			require.Equal(t, "42501", pg.Code(err), "%s reads %s: %v", m, other, err) // insufficient_privilege
		}
	})

	t.Run("EachModuleHasTheTablesOfThePlatform", func(t *testing.T) {
		t.Parallel()
		conn, err := pgx.Connect(t.Context(), pgtest.URL(t))
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close(t.Context())) }()
		for _, m := range config.Modules {
			for _, table := range []string{"outbox", "inbox", "parked", "parked_keys", "audit_log", "schema_version"} {
				var there bool
				require.NoError(t, conn.QueryRow(t.Context(), `SELECT to_regclass($1) IS NOT NULL`, m+"."+table).Scan(&there))
				require.True(t, there, "%s.%s", m, table)
			}
		}
	})
}
