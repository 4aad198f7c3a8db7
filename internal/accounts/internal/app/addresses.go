package app

import (
	"context"
	"fmt"
	"regexp"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/accounts"
	"github.com/sasapick/shop/internal/accounts/internal/db"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/batch"
)

const maxAddresses = 50

// AddressFields are an address as a person gives it. In a change, what is nil stays as it is.
type AddressFields struct {
	Alias     *string
	Recipient *string
	Phone     *string
	Zipcode   *string
	Line1     *string
	Line2     *string
	IsDefault *bool
}

// phonePattern takes Korean numbers as people write them: 010-1234-5678, 02 123 4567, +82 10 1234 5678, 1588-0000.
const phonePattern = `^((\+82[ -]?0?|0)[1-9][0-9]{0,2}[ -]?[0-9]{3,4}[ -]?[0-9]{4}|1[0-9]{3}[ -]?[0-9]{4})$`

const zipcodePattern = `^[0-9]{5}$`

var (
	phone   = regexp.MustCompile(phonePattern)
	zipcode = regexp.MustCompile(zipcodePattern)
)

// normalize brings the fields into the form in which they are stored.
func (f *AddressFields) normalize() error {
	for _, line := range []struct {
		value       *string
		pointer     string
		least, most int
	}{
		{f.Alias, "/alias", 1, 50},
		{f.Recipient, "/recipient", 1, 100},
		{f.Line1, "/line1", 1, 200},
		{f.Line2, "/line2", 0, 200},
	} {
		if line.value == nil {
			continue
		}
		normal, ok := normalLine(*line.value, line.least, line.most)
		if !ok {
			return invalid(line.pointer, fmt.Sprintf("must have %d to %d characters, in one line", line.least, line.most))
		}
		*line.value = normal
	}
	if f.Phone != nil && !phone.MatchString(*f.Phone) {
		return invalid("/phone", "is no Korean phone number, such as 010-1234-5678")
	}
	if f.Zipcode != nil && !zipcode.MatchString(*f.Zipcode) {
		return invalid("/zipcode", "must have 5 digits")
	}
	return nil
}

// Address returns one of an account's addresses. Those who ask while an answer is being read share the next one, so that what is
// returned was read after it was asked for.
func (s *Service) Address(ctx context.Context, in accounts.AddressInput) (accounts.Address, error) {
	return s.reading.Do(ctx, batch.KeyOf(in.AddressID), in)
}

// addressFlights is how many reads of addresses may be under way at once. Each takes a connection.
const addressFlights = 1

func newAddressReads(s *Service) *batch.Group[accounts.AddressInput, accounts.Address] {
	return batch.New(batch.Config{Name: "accounts.address", Shards: addressFlights}, s.readAddresses)
}

// readAddresses reads the addresses that are asked for at the same time. Another account's does not exist.
func (s *Service) readAddresses(ctx context.Context, asked []accounts.AddressInput) ([]batch.Result[accounts.Address], error) {
	ids := make([]uuid.UUID, len(asked))
	for i, in := range asked {
		ids[i] = in.AddressID
	}
	rows, err := s.sql.AddressesByID(ctx, s.pool, ids)
	if err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	found := make(map[accounts.AddressInput]db.AccountsAddress, len(rows))
	for _, row := range rows {
		found[accounts.AddressInput{AccountID: row.AccountID, AddressID: row.ID}] = row
	}
	results := make([]batch.Result[accounts.Address], len(asked))
	for i, in := range asked {
		if row, ok := found[in]; ok {
			results[i].Out = toAddress(row)
		} else {
			results[i].Err = accounts.ErrNoAddress
		}
	}
	return results, nil
}

// Addresses returns at most limit addresses of who asks, oldest first, from after one on.
func (s *Service) Addresses(ctx context.Context, after uuid.UUID, limit int) ([]accounts.Address, error) {
	rows, err := s.sql.AddressesOf(ctx, s.pool, db.AddressesOfParams{
		AccountID: auth.Must(ctx).AccountID, After: after, MaxRows: int32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	list := make([]accounts.Address, len(rows))
	for i, row := range rows {
		list[i] = toAddress(row)
	}
	return list, nil
}

// AddAddress gives who asks one more address. A default one takes the place of the default before.
func (s *Service) AddAddress(ctx context.Context, f AddressFields) (accounts.Address, error) {
	if err := f.normalize(); err != nil {
		return accounts.Address{}, err
	}
	var address db.AccountsAddress
	err := s.inTx(ctx, func(w *work) error {
		account, err := s.lockActive(ctx, w, auth.Must(ctx).AccountID)
		if err != nil {
			return err
		}
		count, err := s.sql.CountAddresses(ctx, w.tx, account.ID)
		if err != nil {
			return fmt.Errorf("count addresses: %w", err)
		}
		if count >= maxAddresses {
			return accounts.ErrTooMany
		}
		in := db.InsertAddressParams{
			ID: uuid.Must(uuid.NewV7()), AccountID: account.ID, At: w.now,
			Alias: value(f.Alias), Recipient: value(f.Recipient), Phone: value(f.Phone), Zipcode: value(f.Zipcode),
			Line1: value(f.Line1), Line2: value(f.Line2), IsDefault: value(f.IsDefault),
		}
		if err := s.makeRoomForDefault(ctx, w, account.ID, in.ID, in.IsDefault); err != nil {
			return err
		}
		address, err = s.sql.InsertAddress(ctx, w.tx, in)
		if err != nil {
			return fmt.Errorf("insert address: %w", err)
		}
		return nil
	})
	return toAddress(address), err
}

// ChangeAddress changes an address of who asks. Another account's does not exist for them.
func (s *Service) ChangeAddress(ctx context.Context, id uuid.UUID, f AddressFields) (accounts.Address, error) {
	if err := f.normalize(); err != nil {
		return accounts.Address{}, err
	}
	var address db.AccountsAddress
	err := s.inTx(ctx, func(w *work) error {
		account, err := s.lockActive(ctx, w, auth.Must(ctx).AccountID)
		if err != nil {
			return err
		}
		if err := s.makeRoomForDefault(ctx, w, account.ID, id, value(f.IsDefault)); err != nil {
			return err
		}
		address, err = s.sql.UpdateAddress(ctx, w.tx, db.UpdateAddressParams{
			ID: id, AccountID: account.ID, At: w.now,
			Alias: f.Alias, Recipient: f.Recipient, Phone: f.Phone, Zipcode: f.Zipcode,
			Line1: f.Line1, Line2: f.Line2, IsDefault: f.IsDefault,
		})
		if err != nil {
			return orElse(err, accounts.ErrNoAddress, "update address") // which also gives the default back
		}
		return nil
	})
	return toAddress(address), err
}

// makeRoomForDefault takes the mark from the default address before it is given to another.
func (s *Service) makeRoomForDefault(ctx context.Context, w *work, account, address uuid.UUID, isDefault bool) error {
	if !isDefault {
		return nil
	}
	err := s.sql.ClearDefaultAddress(ctx, w.tx, db.ClearDefaultAddressParams{AccountID: account, But: address, At: w.now})
	if err != nil {
		return fmt.Errorf("clear the default address: %w", err)
	}
	return nil
}

// RemoveAddress deletes an address of who asks. Orders keep the copy that they were placed with.
func (s *Service) RemoveAddress(ctx context.Context, id uuid.UUID) error {
	deleted, err := s.sql.DeleteAddress(ctx, s.pool, db.DeleteAddressParams{ID: id, AccountID: auth.Must(ctx).AccountID})
	if err != nil {
		return fmt.Errorf("delete address: %w", err)
	}
	if deleted == 0 {
		return accounts.ErrNoAddress
	}
	return nil
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func toAddress(a db.AccountsAddress) accounts.Address {
	return accounts.Address{
		ID: a.ID, Alias: a.Alias, Recipient: a.Recipient, Phone: a.Phone, Zipcode: a.Zipcode,
		Line1: a.Line1, Line2: a.Line2, IsDefault: a.IsDefault,
	}
}
