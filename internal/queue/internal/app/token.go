package app

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"
)

// kind says what a token is, so that none is taken for another.
type kind byte

const (
	ticket kind = 1 // a place in the line of a room
	pass   kind = 2 // a slot in it
)

// token is what the shop tells a shopper of their place, in a form that nobody else can make. It is in its room's and its account's name alone.
type token struct {
	Kind     kind
	Room     uuid.UUID
	Account  uuid.UUID
	Sequence int64     // of a ticket
	Until    time.Time // of a pass: when it ends
}

const (
	tokenLength = 1 + 16 + 16 + 8 + 8
	macLength   = 16 // of SHA-256, which RFC 2104 §5 lets be cut to half
)

// seal is the key that tokens are made and checked with.
type seal [32]byte

// mac is the code of a token's bytes (HMAC, RFC 2104).
func (s *seal) mac(text []byte) []byte {
	h := hmac.New(sha256.New, s[:])
	h.Write(text)
	return h.Sum(nil)[:macLength]
}

// sign returns a token as text: URL-safe, 87 characters.
func (s *seal) sign(t token) string {
	text := make([]byte, 0, tokenLength+macLength)
	text = append(text, byte(t.Kind))
	text = append(append(text, t.Room[:]...), t.Account[:]...)
	text = binary.BigEndian.AppendUint64(text, uint64(t.Sequence))
	until := int64(0)
	if !t.Until.IsZero() {
		until = t.Until.UnixMilli()
	}
	text = binary.BigEndian.AppendUint64(text, uint64(until))
	return base64.RawURLEncoding.EncodeToString(append(text, s.mac(text)...))
}

// errNoToken says that a text is no token of ours.
var errNoToken = errors.New("it is no token of this shop")

// open reads what was signed, of one kind.
func (s *seal) open(text string, of kind) (token, error) {
	var buffer [tokenLength + macLength]byte
	if base64.RawURLEncoding.DecodedLen(len(text)) != len(buffer) {
		return token{}, errNoToken
	}
	if n, err := base64.RawURLEncoding.Strict().Decode(buffer[:], []byte(text)); err != nil || n != len(buffer) {
		return token{}, errNoToken
	}
	signed := buffer[:tokenLength]
	if !hmac.Equal(s.mac(signed), buffer[tokenLength:]) || kind(signed[0]) != of {
		return token{}, errNoToken
	}
	t := token{Kind: of, Room: uuid.UUID(signed[1:17]), Account: uuid.UUID(signed[17:33]), Sequence: int64(binary.BigEndian.Uint64(signed[33:]))}
	if until := int64(binary.BigEndian.Uint64(signed[41:])); until != 0 {
		t.Until = time.UnixMilli(until).UTC()
	}
	return t, nil
}

// openOf reads a token that is of an account in a room.
func (s *seal) openOf(text string, of kind, room Room, account uuid.UUID) (token, bool) {
	t, err := s.open(text, of)
	return t, err == nil && t.Room == room.ID && t.Account == account
}
