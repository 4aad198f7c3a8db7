package app

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/maypok86/otter/v2"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/db"
	"github.com/sasapick/shop/internal/platform/audit"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

const (
	mostCodes = 1000   // that one request may add
	maxCodes  = 50_000 // that this process remembers the campaigns of
)

var codeShape = regexp.MustCompile(`^[A-Z0-9-]{4,40}$`)

// codeOf is a code as it is stored, however a person wrote it.
func codeOf(written string) string { return strings.ToUpper(strings.TrimSpace(written)) }

// codesOf returns the codes of a new campaign as they are stored, each once. The kind code needs one, and no other may have any.
func codesOf(kind Kind, written []string) ([]string, error) {
	if kind != ByCode {
		if len(written) > 0 {
			return nil, coupons.ErrBadKind.WithFields(fault.Field{Pointer: "/codes", Detail: "are for the kind code only"})
		}
		return nil, nil
	}
	if len(written) == 0 || len(written) > mostCodes {
		return nil, coupons.ErrBadKind.WithFields(fault.Field{Pointer: "/codes", Detail: "the kind code needs 1 to 1,000"})
	}
	codes := make([]string, len(written))
	for i, w := range written {
		codes[i] = codeOf(w)
		if !codeShape.MatchString(codes[i]) {
			return nil, coupons.ErrBadCode.WithFields(fault.Field{Pointer: "/codes/" + strconv.Itoa(i), Detail: "must be 4 to 40 letters, digits and hyphens"})
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes), nil
}

// misses is how many codes that there are not an account may try within missesWithin: codes are short, and nobody types that many.
const (
	misses       = 20
	missesWithin = time.Minute
	maxGuessers  = 100_000 // accounts of which it is remembered
)

func newGuesses() *otter.Cache[uuid.UUID, *atomic.Int32] {
	return otter.Must(&otter.Options[uuid.UUID, *atomic.Int32]{MaximumSize: maxGuessers, ExpiryCalculator: otter.ExpiryCreating[uuid.UUID, *atomic.Int32](missesWithin)})
}

// missed counts a code that is none, and says so.
func (s *Service) missed(account uuid.UUID) error {
	guesses, _ := s.guesses.SetIfAbsent(account, &atomic.Int32{})
	guesses.Add(1)
	return coupons.ErrNoCode
}

func newCodes() *otter.Cache[string, uuid.UUID] {
	return otter.Must(&otter.Options[string, uuid.UUID]{MaximumSize: maxCodes})
}

// insertCodes gives the campaign codes, all or none. A code never changes hands.
func (s *Service) insertCodes(ctx context.Context, tx pgx.Tx, campaign uuid.UUID, codes []string) error {
	if len(codes) == 0 {
		return nil
	}
	fresh, err := s.sql.InsertCodes(ctx, tx, db.InsertCodesParams{CampaignID: campaign, CreatedAt: s.clock(), Codes: codes})
	if err != nil {
		return fmt.Errorf("insert codes: %w", err)
	}
	for _, code := range codes {
		if slices.Contains(fresh, code) {
			continue
		}
		owner, err := s.sql.CampaignOfCode(ctx, tx, code)
		if err != nil {
			return fmt.Errorf("look up a code: %w", err)
		}
		if owner != campaign {
			return coupons.ErrCodeTaken.WithDetail(code + " belongs to another coupon")
		}
	}
	return nil
}

// AddCodes gives a campaign of the kind code more codes. Those that it has already stay.
func (s *Service) AddCodes(ctx context.Context, campaign uuid.UUID, written []string) error {
	terms, err := s.termsOf(ctx, campaign)
	if err != nil {
		return err
	}
	codes, err := codesOf(terms.Kind, written)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := s.insertCodes(ctx, tx, campaign, codes); err != nil {
			return err
		}
		return s.audit.Add(ctx, tx, audit.Entry{Action: "coupons.add_codes", Subject: campaign.String(), After: codes})
	})
}

// Codes returns a page of a campaign's codes, by the alphabet.
func (s *Service) Codes(ctx context.Context, campaign uuid.UUID, q web.PageQuery) (web.Page[string], error) {
	var after string
	if err := web.DecodeCursor(q.Cursor, &after); err != nil {
		return web.Page[string]{}, err
	}
	if _, err := s.termsOf(ctx, campaign); err != nil {
		return web.Page[string]{}, err
	}
	codes, err := s.sql.CodesOf(ctx, s.pool, db.CodesOfParams{CampaignID: campaign, After: after, Many: int32(q.Limit) + 1})
	if err != nil {
		return web.Page[string]{}, fmt.Errorf("read codes: %w", err)
	}
	return web.PageOf(codes, q.Limit, func(code string) any { return code }), nil
}

// ClaimCode gives the account its one coupon of the campaign that the code belongs to, as Claim does. Faults: coupons.ErrNoCode
// and coupons.ErrTooManyCodes besides.
func (s *Service) ClaimCode(ctx context.Context, account uuid.UUID, written string) (coupons.Coupon, error) {
	if guesses, ok := s.guesses.GetIfPresent(account); ok && guesses.Load() >= misses {
		return coupons.Coupon{}, coupons.ErrTooManyCodes.WithRetryAfter(missesWithin)
	}
	code := codeOf(written)
	campaign, ok := s.codes.GetIfPresent(code)
	if !ok {
		if !codeShape.MatchString(code) {
			return coupons.Coupon{}, s.missed(account)
		}
		var err error
		campaign, err = s.sql.CampaignOfCode(ctx, s.pool, code)
		if errors.Is(err, pgx.ErrNoRows) {
			return coupons.Coupon{}, s.missed(account)
		}
		if err != nil {
			return coupons.Coupon{}, fmt.Errorf("look up a code: %w", err)
		}
		s.codes.Set(code, campaign)
	}
	return s.give(ctx, coupons.ClaimInput{CampaignID: campaign, AccountID: account})
}
