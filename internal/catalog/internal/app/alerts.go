package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/internal/db"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/failpoint"
	"github.com/sasapick/shop/internal/platform/outbox"
)

var (
	restockCommit    = failpoint.New("catalog.restock.commit") // the alerts are gone, and an event names their accounts
	restockCommitted = failpoint.New("catalog.restock.committed")
)

const (
	maxAlerts = 100  // that an account has at once
	maxTold   = 500  // alerts that one transaction tells of
	maxLooks  = 1000 // that it takes
)

// AddAlert has who asks told once, when the product can be had again. Faults: catalog.ErrNoProduct, catalog.ErrNotSoldOut,
// catalog.ErrTooManyAlerts.
func (s *Service) AddAlert(ctx context.Context, product uuid.UUID) error {
	account := auth.Must(ctx).AccountID
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := s.sql.LockAlertsOf(ctx, tx, account); err != nil {
			return fmt.Errorf("lock alerts: %w", err)
		}
		standing, err := s.sql.AlertStanding(ctx, tx, db.AlertStandingParams{AccountID: account, ProductID: product})
		switch {
		case errors.Is(err, pgx.ErrNoRows), err == nil && standing.State != StatePublished:
			return catalog.ErrNoProduct
		case err != nil:
			return fmt.Errorf("look at product: %w", err)
		case standing.Waits:
			return nil
		case standing.Available:
			return catalog.ErrNotSoldOut
		case standing.Alerts >= maxAlerts:
			return catalog.ErrTooManyAlerts
		}
		if err := s.sql.AddAlert(ctx, tx, db.AddAlertParams{ProductID: product, AccountID: account, At: s.clock()}); err != nil {
			return fmt.Errorf("add alert: %w", err)
		}
		return nil
	})
}

// DeleteAlert has who asks told nothing of the product. Fault: catalog.ErrNoProduct.
func (s *Service) DeleteAlert(ctx context.Context, product uuid.UUID) error {
	n, err := s.sql.DeleteAlert(ctx, s.pool, db.DeleteAlertParams{ProductID: product, AccountID: auth.Must(ctx).AccountID})
	if err != nil {
		return fmt.Errorf("delete alert: %w", err)
	}
	if n == 0 {
		_, err = s.ManagedProduct(ctx, product)
	}
	return err
}

// TellRestocks looks at the products that may be had again, and tells those who wait for one that can, until nobody is left. An alert
// goes in the transaction that tells of it, so each is told once.
func (s *Service) TellRestocks(ctx context.Context) error {
	for {
		looked, told := 0, 0
		err := s.outbox.InTx(ctx, s.pool, func(tx pgx.Tx) error {
			looks, err := s.sql.RestockLooks(ctx, tx, maxLooks)
			if err != nil {
				return fmt.Errorf("read what to look at: %w", err)
			}
			if looked = len(looks); looked == 0 {
				return nil
			}
			ids, products := make([]int64, looked), make([]uuid.UUID, looked)
			for i, l := range looks {
				ids[i], products[i] = l.ID, l.ProductID
			}
			alerts, err := s.sql.TakeAlerts(ctx, tx, db.TakeAlertsParams{ProductIds: products, RowLimit: maxTold})
			if err != nil {
				return fmt.Errorf("take alerts: %w", err)
			}
			if told = len(alerts); told == 0 { // the last round of these
				return s.sql.DeleteRestockLooks(ctx, tx, ids)
			}
			events, err := s.restocks(ctx, tx, alerts)
			if err != nil {
				return err
			}
			err = s.outbox.Add(ctx, tx, events...)
			restockCommit.Hit()
			return err
		})
		if err != nil || looked == 0 {
			return err
		}
		if told > 0 {
			restockCommitted.Hit()
		}
	}
}

// restocks makes an event for each product.
func (s *Service) restocks(ctx context.Context, tx pgx.Tx, alerts []db.TakeAlertsRow) ([]outbox.Event, error) {
	waiting := map[uuid.UUID][]uuid.UUID{}
	var products []uuid.UUID
	for _, a := range alerts {
		if waiting[a.ProductID] == nil {
			products = append(products, a.ProductID)
		}
		waiting[a.ProductID] = append(waiting[a.ProductID], a.AccountID)
	}
	names, err := s.sql.NamesOf(ctx, tx, products)
	if err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	events := make([]outbox.Event, len(names))
	for i, n := range names {
		events[i] = catalog.Restocked{
			RestockID: uuid.Must(uuid.NewV7()), Version: 1, ProductID: n.ID, ProductName: n.Name, AccountIDs: waiting[n.ID], At: s.clock(),
		}
	}
	return events, nil
}
