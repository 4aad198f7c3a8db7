package app_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/sasapick/shop/internal/platform/bus"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/coupons/internal/app"
	"github.com/sasapick/shop/internal/platform/web"
)

func pageOf(limit int) web.PageQuery { return web.PageQuery{Limit: limit} }

// kind makes an open campaign of another kind.
func (s shop) kind(kind app.Kind, quantity int64, tier accounts.Tier, codes ...string) app.Campaign {
	s.t.Helper()
	return s.make(app.New{
		Settings: app.Settings{Name: string(kind), Quantity: quantity, StartsAt: longAgo, EndsAt: farAway},
		Terms:    app.Terms{Kind: kind, MinTier: tier, Discount: app.Discount{AmountWon: 1000}}, Codes: codes,
	})
}

func TestCodes(t *testing.T) {
	t.Parallel()

	s := setup(t, 1)
	c := s.kind(app.ByCode, 2, "", "SPRING-26", " summer-26 ", "SPRING-26")
	account := uuid.New()
	first, err := s.instances[0].ClaimCode(t.Context(), account, " spring-26")
	require.NoError(t, err)
	require.Equal(t, c.ID, first.CampaignID)
	again, err := s.instances[1].ClaimCode(t.Context(), account, "SUMMER-26")
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID, "two codes of a campaign are one coupon")
	require.True(t, again.Repeated)

	_, err = s.claim(0, c.ID, uuid.New())
	require.ErrorIs(t, err, coupons.ErrCodeNeeded)
	for _, unknown := range []string{"", "AB", "NOBODY-26", "'; --", "SPRING 26"} {
		_, err = s.instances[0].ClaimCode(t.Context(), uuid.New(), unknown)
		require.ErrorIs(t, err, coupons.ErrNoCode, unknown)
	}

	require.NoError(t, s.instances[0].AddCodes(t.Context(), c.ID, []string{"autumn-26", "spring-26"}))
	codes, err := s.instances[0].Codes(t.Context(), c.ID, pageOf(2))
	require.NoError(t, err)
	require.Equal(t, []string{"AUTUMN-26", "SPRING-26"}, codes.Items)
	codes, err = s.instances[0].Codes(t.Context(), c.ID, web.PageQuery{Limit: 2, Cursor: codes.NextCursor})
	require.NoError(t, err)
	require.Equal(t, []string{"SUMMER-26"}, codes.Items)

	other := s.kind(app.ByCode, 1, "", "OTHER-26")
	require.ErrorIs(t, s.instances[0].AddCodes(t.Context(), other.ID, []string{"NEWER-26", "SPRING-26"}), coupons.ErrCodeTaken)
	_, err = s.instances[0].ClaimCode(t.Context(), uuid.New(), "NEWER-26")
	require.ErrorIs(t, err, coupons.ErrNoCode, "all or none")
	require.ErrorIs(t, s.instances[0].AddCodes(t.Context(), s.campaign.ID, []string{"NEWER-26"}), coupons.ErrBadKind)
	require.ErrorIs(t, s.instances[0].AddCodes(t.Context(), uuid.New(), []string{"NEWER-26"}), coupons.ErrNoCampaign)

	_, err = s.instances[0].ClaimCode(t.Context(), uuid.New(), "AUTUMN-26")
	require.NoError(t, err)
	_, err = s.instances[0].ClaimCode(t.Context(), uuid.New(), "SPRING-26")
	require.ErrorIs(t, err, coupons.ErrSoldOut)
	s.books(c.ID, 2)
	s.sound()
}

func TestTiers(t *testing.T) {
	t.Parallel()

	s := setup(t, 10)
	c := s.kind(app.ByTier, 10, accounts.Gold)
	account := uuid.New()
	for _, tier := range []accounts.Tier{"", accounts.Bronze, accounts.Silver, "platinum"} {
		s.people.set(account, tier)
		_, err := s.claim(0, c.ID, account)
		require.ErrorIs(t, err, coupons.ErrTier, tier)
	}
	s.people.set(account, accounts.Gold)
	first, err := s.claim(0, c.ID, account)
	require.NoError(t, err)
	s.people.set(account, accounts.Bronze)
	again, err := s.claim(1, c.ID, account)
	require.NoError(t, err, "what somebody has stays theirs")
	require.Equal(t, first.ID, again.ID)
	require.True(t, again.Repeated)
	s.books(c.ID, 1)

	bronze := s.kind(app.ByTier, 10, accounts.Bronze)
	_, err = s.claim(0, bronze.ID, uuid.New())
	require.NoError(t, err, "an account without a tier is bronze")

	asked := s.people.asked
	_, err = s.claim(0, s.campaign.ID, uuid.New())
	require.NoError(t, err)
	require.Equal(t, asked, s.people.asked, "nobody is asked about who may have it anyway")
}

func TestWelcome(t *testing.T) {
	t.Parallel()

	s := setup(t, 10)
	two := s.kind(app.ByWelcome, 2, "")
	many := s.kind(app.ByWelcome, 1000, "")
	later := s.make(app.New{
		Settings: app.Settings{Name: "Later", Quantity: 5, StartsAt: farAway.Add(-time.Hour), EndsAt: farAway},
		Terms:    app.Terms{Kind: app.ByWelcome, Discount: app.Discount{AmountWon: 1000}},
	})
	_, err := s.claim(0, many.ID, uuid.New())
	require.ErrorIs(t, err, coupons.ErrWelcomeOnly)

	first := uuid.New()
	for range 2 { // at least once, so more than once
		s.hear(registered, first)
		require.NoError(t, s.instances[0].Welcome(t.Context()))
	}
	mine, err := s.instances[0].CouponsOf(t.Context(), first, pageOf(100))
	require.NoError(t, err)
	require.Len(t, mine.Items, 2)

	for range 300 { // more than are welcomed at once
		s.hear(registered, uuid.New())
	}
	require.NoError(t, s.instances[1].Welcome(t.Context()))
	require.Zero(t, s.count(`SELECT count(*) FROM coupons.newcomers`))
	s.books(two.ID, 2)
	s.books(many.ID, 301)
	s.books(later.ID, 0)
	s.books(s.campaign.ID, 0)
	s.sound()
}

func TestEvents(t *testing.T) {
	t.Parallel()

	s := setup(t, 10)
	service := s.instances[0]
	settings := app.EventSettings{Title: " Spring ", ImageURL: "https://images.example.com/a.jpg", StartsAt: longAgo, EndsAt: farAway}
	spring, err := service.CreateEvent(t.Context(), settings)
	require.NoError(t, err)
	require.Equal(t, "Spring", spring.Title)
	settings.Title, settings.EndsAt = "Over", longAgo.Add(time.Hour)
	over, err := service.CreateEvent(t.Context(), settings)
	require.NoError(t, err)
	in := func(event uuid.UUID, ends time.Time) app.Campaign {
		return s.make(app.New{
			Settings: app.Settings{Name: "In it", Quantity: 5, StartsAt: longAgo, EndsAt: ends},
			Terms:    app.Terms{EventID: &event, Discount: app.Discount{AmountWon: 1000}},
		})
	}
	a, b := in(spring.ID, farAway), in(spring.ID, farAway)
	in(spring.ID, longAgo.Add(time.Hour))

	shown, err := service.Event(t.Context(), spring.ID)
	require.NoError(t, err)
	require.Len(t, shown.Coupons, 2)
	require.Equal(t, []uuid.UUID{b.ID, a.ID}, []uuid.UUID{shown.Coupons[0].ID, shown.Coupons[1].ID})
	listed, err := service.Events(t.Context(), pageOf(10), true)
	require.NoError(t, err)
	require.Equal(t, []app.Event{shown}, listed.Items)
	all, err := service.Events(t.Context(), pageOf(1), false)
	require.NoError(t, err)
	require.Equal(t, over.ID, all.Items[0].ID)
	require.NotEmpty(t, all.NextCursor)

	edited, err := service.EditEvent(t.Context(), spring.ID, spring.ETag(), app.EventEdit{Title: new("Summer"), ImageURL: new("")})
	require.NoError(t, err)
	require.Equal(t, "Summer", edited.Title)
	require.EqualValues(t, 2, edited.Version)
	for _, c := range []struct {
		id      uuid.UUID
		ifMatch string
		edit    app.EventEdit
		want    error
	}{
		{uuid.New(), edited.ETag(), app.EventEdit{}, coupons.ErrNoEvent},
		{spring.ID, "", app.EventEdit{}, web.ErrIfMatchRequired},
		{spring.ID, spring.ETag(), app.EventEdit{Title: new("Older")}, web.ErrStale},
		{spring.ID, edited.ETag(), app.EventEdit{Title: new(" ")}, coupons.ErrNoTitle},
		{spring.ID, edited.ETag(), app.EventEdit{EndsAt: &longAgo}, coupons.ErrBadWindow},
		{spring.ID, edited.ETag(), app.EventEdit{ImageURL: new("javascript:alert(1)")}, coupons.ErrBadImage},
	} {
		_, err := service.EditEvent(t.Context(), c.id, c.ifMatch, c.edit)
		require.ErrorIs(t, err, c.want)
	}
	same, err := service.EditEvent(t.Context(), spring.ID, edited.ETag(), app.EventEdit{Title: new("Summer")})
	require.NoError(t, err)
	require.Equal(t, edited, same, "no change is no new version")
	require.EqualValues(t, 2, s.count(`SELECT count(*) FROM coupons.audit_log WHERE subject = $1`, spring.ID.String()))
	_, err = service.Event(t.Context(), uuid.New())
	require.ErrorIs(t, err, coupons.ErrNoEvent)
}

func TestUsableUntil(t *testing.T) {
	t.Parallel()

	s := setup(t, 10)
	require.Equal(t, farAway.Add(30*24*time.Hour), s.campaign.UsableUntil)
	_, err := s.instances[0].Edit(t.Context(), s.campaign.ID, s.campaign.ETag(), app.Edit{UsableUntil: new(farAway.Add(29 * 24 * time.Hour))})
	require.ErrorIs(t, err, coupons.ErrUsableShort)
	_, err = s.instances[0].Edit(t.Context(), s.campaign.ID, s.campaign.ETag(), app.Edit{UsableUntil: new(farAway.Add(-time.Hour))})
	require.ErrorIs(t, err, coupons.ErrBadUsable)
	later := farAway.Add(31 * 24 * time.Hour)
	require.Equal(t, later, s.edit(app.Edit{UsableUntil: &later}).UsableUntil)
	require.Equal(t, later, s.edit(app.Edit{EndsAt: new(longAgo.Add(time.Hour))}).UsableUntil, "what was promised stays")
	require.Equal(t, later.Add(time.Hour), s.edit(app.Edit{EndsAt: new(later.Add(time.Hour))}).UsableUntil, "it moves along")
}

// Most orders name no coupon: their ends leave nothing here.
func TestOrdersWithoutACouponLeaveNothing(t *testing.T) {
	t.Parallel()

	s := setup(t, 1)
	for _, sub := range app.Subscriptions(s.instances[0]) {
		if sub.Source == "ordering" {
			require.NoError(t, pgx.BeginFunc(t.Context(), s.pool, func(tx pgx.Tx) error {
				return sub.Handle(t.Context(), tx, bus.Envelope{Type: sub.Type, Key: uuid.New(), Data: []byte(`{"order_id":"` + uuid.NewString() + `"}`)})
			}))
		}
	}
	require.Zero(t, s.count(`SELECT count(*) FROM coupons.settlements`))
}

// A code is short: who tries one after the other is kept from it, and nobody else.
func TestCodesAreNotGuessed(t *testing.T) {
	t.Parallel()

	s, guesser := setup(t, 1), uuid.New()
	for n := range 20 {
		_, err := s.instances[0].ClaimCode(t.Context(), guesser, fmt.Sprintf("GUESS-%d", n))
		require.ErrorIs(t, err, coupons.ErrNoCode)
	}
	_, err := s.instances[0].ClaimCode(t.Context(), guesser, "GUESS-20")
	require.ErrorIs(t, err, coupons.ErrTooManyCodes)
	_, err = s.instances[0].ClaimCode(t.Context(), uuid.New(), "GUESS-20")
	require.ErrorIs(t, err, coupons.ErrNoCode)
}
