package app_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/sasapick/shop/internal/accounts"
)

func home() map[string]any {
	return map[string]any{
		"alias": "집", "recipient": "김지은", "phone": "010-1234-5678", "zipcode": "04524",
		"line1": "서울특별시 중구 세종대로 110", "line2": "3층", "is_default": true,
	}
}

// but is home with other values.
func but(changes map[string]any) map[string]any {
	m := home()
	maps.Copy(m, changes)
	return m
}

func itemsOf[T any](a answer) []T {
	var page struct {
		Items []T `json:"items"`
	}
	a.Is(200).Into(&page)
	return page.Items
}

func TestAddresses(t *testing.T) {
	t.Parallel()

	t.Run("AreKept", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.shopper("jieun@example.com")
		require.JSONEq(t, `{"items":[]}`, s.ask("GET", "/v1/me/addresses", own.Access, nil).Is(200).Raw)
		first := s.ask("POST", "/v1/me/addresses", own.Access, home()).Is(201)
		second := s.ask("POST", "/v1/me/addresses", own.Access, but(map[string]any{"alias": "회사", "is_default": false})).Is(201)

		path := "/v1/me/addresses/" + idOf(second).String()
		changed := s.ask("PATCH", path, own.Access, `{"is_default":true,"line2":""}`).Is(200)
		require.Equal(t, "회사", changed.Body["alias"], "what is left out stays")
		require.Nil(t, changed.Body["line2"])
		list := itemsOf[accounts.Address](s.ask("GET", "/v1/me/addresses", own.Access, nil))
		require.Len(t, list, 2)
		require.False(t, list[0].IsDefault, "a new default takes the place of the one before")
		require.True(t, list[1].IsDefault)

		address, err := s.service.Address(t.Context(), accounts.AddressInput{AccountID: id, AddressID: idOf(first)})
		require.NoError(t, err)
		require.Equal(t, list[0], address)

		s.ask("DELETE", path, own.Access, nil).Is(204)
		s.ask("DELETE", path, own.Access, nil).Says(404, "accounts.no_address")
		require.Len(t, itemsOf[any](s.ask("GET", "/v1/me/addresses", own.Access, nil)), 1)
	})

	t.Run("AnothersDoNotExist", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		id, own := s.shopper("jieun@example.com")
		eveID, eve := s.shopper("eve@example.com")
		address := s.ask("POST", "/v1/me/addresses", own.Access, home()).Is(201)
		s.ask("POST", "/v1/me/addresses", eve.Access, home()).Is(201)
		path := "/v1/me/addresses/" + idOf(address).String()
		s.ask("PATCH", path, eve.Access, `{"line1":"Eve's"}`).Says(404, "accounts.no_address")
		s.ask("PATCH", path, eve.Access, `{"is_default":true}`).Says(404, "accounts.no_address")
		s.ask("DELETE", path, eve.Access, nil).Says(404, "accounts.no_address")
		_, err := s.service.Address(t.Context(), accounts.AddressInput{AccountID: eveID, AddressID: idOf(address)})
		require.ErrorIs(t, err, accounts.ErrNoAddress)

		untouched, err := s.service.Address(t.Context(), accounts.AddressInput{AccountID: id, AddressID: idOf(address)})
		require.NoError(t, err)
		require.Equal(t, "서울특별시 중구 세종대로 110", untouched.Line1)
		require.True(t, itemsOf[accounts.Address](s.ask("GET", "/v1/me/addresses", eve.Access, nil))[0].IsDefault,
			"a change that finds nothing does not take the default away")
		s.ask("DELETE", "/v1/me/addresses/"+uuid.NewString(), eve.Access, nil).Says(404, "accounts.no_address")
		s.ask("DELETE", "/v1/me/addresses/7", eve.Access, nil).Is(422)
	})

	t.Run("ReadAtOnceEachIsTheAskers", func(t *testing.T) { // they share statements, and nothing else
		t.Parallel()
		s := setup(t)
		type kept struct {
			in   accounts.AddressInput
			line string
		}
		var all []kept
		for i := range 3 {
			id, own := s.shopper(fmt.Sprintf("shopper-%d@example.com", i))
			for n := range 2 {
				line := fmt.Sprintf("%d-%d", i, n)
				a := s.ask("POST", "/v1/me/addresses", own.Access, but(map[string]any{"line1": line, "is_default": false})).Is(201)
				all = append(all, kept{accounts.AddressInput{AccountID: id, AddressID: idOf(a)}, line})
			}
		}
		type read struct {
			address accounts.Address
			err     error
		}
		reads := together(200, func(i int) read {
			in := all[i%len(all)].in
			if i%5 == 4 {
				in.AccountID = all[(i+2)%len(all)].in.AccountID // somebody else
			}
			address, err := s.service.Address(t.Context(), in)
			return read{address, err}
		})
		for i, r := range reads {
			if i%5 == 4 {
				require.ErrorIs(t, r.err, accounts.ErrNoAddress)
				require.Zero(t, r.address)
				continue
			}
			require.NoError(t, r.err)
			require.Equal(t, all[i%len(all)].line, r.address.Line1)
			require.Equal(t, all[i%len(all)].in.AddressID, r.address.ID)
		}
	})

	t.Run("OneIsDefaultUnderConcurrency", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, own := s.shopper("jieun@example.com")
		counts := statuses(together(10, func(int) answer { return s.ask("POST", "/v1/me/addresses", own.Access, home()) }))
		require.Equal(t, map[int]int{201: 10}, counts)
		require.Equal(t, 1, s.count(`SELECT count(*) FROM accounts.addresses WHERE is_default`))
	})

	t.Run("FiftyAtMostUnderConcurrency", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, own := s.shopper("jieun@example.com")
		counts := statuses(together(60, func(int) answer { return s.ask("POST", "/v1/me/addresses", own.Access, home()) }))
		require.Equal(t, map[int]int{201: 50, 409: 10}, counts)
		s.ask("POST", "/v1/me/addresses", own.Access, home()).Says(409, "accounts.too_many_addresses")

		var page struct {
			Items []accounts.Address `json:"items"`
			Next  string             `json:"next_cursor"`
		}
		seen := map[uuid.UUID]bool{}
		for path := "/v1/me/addresses?limit=20"; path != ""; {
			page.Next = ""
			s.ask("GET", path, own.Access, nil).Is(200).Into(&page)
			for _, a := range page.Items {
				seen[a.ID] = true
			}
			if path = ""; page.Next != "" {
				path = "/v1/me/addresses?limit=20&cursor=" + page.Next
			}
		}
		require.Len(t, seen, 50)
	})

	t.Run("TakesPhonesAsPeopleWriteThem", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, own := s.shopper("jieun@example.com")
		for phone, status := range map[string]int{
			"010-1234-5678": 201, "01012345678": 201, "02-123-4567": 201, "031 123 4567": 201, "+82-10-1234-5678": 201,
			"+821012345678": 201, "0505-123-4567": 201, "1588-0000": 201,
			"": 422, "010": 422, "call me": 422, "010-1234-5678; DROP": 422, "+1 212 555 0100": 422, "010\n1234\n5678": 422,
		} {
			a := s.ask("POST", "/v1/me/addresses", own.Access, but(map[string]any{"phone": phone}))
			require.Equal(t, status, a.Status, "%q: %s", phone, a.Raw)
		}
	})

	t.Run("RefusesWhatIsNotValid", func(t *testing.T) {
		t.Parallel()
		s := setup(t)
		_, own := s.shopper("jieun@example.com")
		for field, value := range map[string]any{
			"zipcode": "0452", "alias": "  ", "recipient": "김\n지은", "line1": "", "line2": "3층\x00", "is_default": "yes",
		} {
			body := but(map[string]any{field: value})
			a := s.ask("POST", "/v1/me/addresses", own.Access, body).Is(422)
			require.Contains(t, a.Raw, fmt.Sprintf("/%s", field))
			made := s.ask("POST", "/v1/me/addresses", own.Access, home()).Is(201)
			s.ask("PATCH", "/v1/me/addresses/"+idOf(made).String(), own.Access, map[string]any{field: value}).Is(422)
		}
		s.ask("POST", "/v1/me/addresses", own.Access, but(map[string]any{"account_id": uuid.NewString()})).Says(400, "request.unknown_field")
	})
}
