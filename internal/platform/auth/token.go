package auth

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

const (
	issuer        = "shop"
	maxTokenBytes = 4096
	skew          = 5 * time.Second // how far the clocks of two instances may be apart
)

// Key is a public signing key and the id by which tokens name it.
type Key struct {
	ID     string
	Public ed25519.PublicKey
}

// claims are what a token says. They are checked in verify, not by the library, because the shop counts milliseconds: a
// token issued right after a revocation, in the same second, must hold.
type claims struct {
	Issuer    string      `json:"iss"`
	Subject   string      `json:"sub"`
	SessionID string      `json:"sid"`
	Role      Role        `json:"role"`
	IssuedAt  numericDate `json:"iat"`
	ExpiresAt numericDate `json:"exp"`
	NotBefore numericDate `json:"nbf,omitzero"`
	ID        string      `json:"jti"`
}

func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (c *claims) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
func (c *claims) GetIssuer() (string, error)                   { return c.Issuer, nil }
func (c *claims) GetSubject() (string, error)                  { return c.Subject, nil }
func (c *claims) GetAudience() (jwt.ClaimStrings, error)       { return nil, nil }

// numericDate is RFC 7519's NumericDate in milliseconds since the epoch; in JSON it is seconds with a fraction.
type numericDate int64

func (d numericDate) MarshalJSON() ([]byte, error) {
	b := strconv.AppendInt(nil, int64(d)/1000, 10)
	if ms := int64(d) % 1000; ms != 0 {
		b = fmt.Appendf(b, ".%03d", ms)
	}
	return b, nil
}

func (d *numericDate) UnmarshalJSON(b []byte) error {
	seconds, err := strconv.ParseFloat(string(b), 64)
	if err != nil || seconds <= 0 || seconds > 1<<38 {
		return fmt.Errorf("no date: %.32s", b)
	}
	*d = numericDate(math.Round(seconds * 1000))
	return nil
}

// Sign issues an access token for p that holds for ttl from now.
func Sign(key ed25519.PrivateKey, kid string, p Principal, now time.Time, ttl time.Duration) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make token id: %w", err)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, &claims{
		Issuer:    issuer,
		Subject:   p.AccountID.String(),
		SessionID: p.SessionID.String(),
		Role:      p.Role,
		IssuedAt:  numericDate(now.UnixMilli()),
		ExpiresAt: numericDate(now.Add(ttl).UnixMilli()),
		ID:        id.String(),
	})
	token.Header["kid"] = kid
	signed, err := token.SignedString(key)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

type jwk struct {
	KeyType   string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
}

type jwkSet struct {
	Keys []jwk `json:"keys"`
}

// JWKS encodes keys as a JSON Web Key Set of Ed25519 keys (RFC 8037), which is what /.well-known/jwks.json serves.
func JWKS(keys []Key) []byte {
	set := jwkSet{Keys: make([]jwk, len(keys))}
	for i, k := range keys {
		set.Keys[i] = jwk{
			KeyType: "OKP", Curve: "Ed25519", X: base64.RawURLEncoding.EncodeToString(k.Public),
			ID: k.ID, Use: "sig", Algorithm: "EdDSA",
		}
	}
	b, err := json.Marshal(set)
	if err != nil {
		panic(err) // strings always encode
	}
	return b
}

// ParseJWKS reads the Ed25519 keys of a JSON Web Key Set and skips keys of other kinds.
func ParseJWKS(b []byte) ([]Key, error) {
	var set jwkSet
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&set); err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	var keys []Key
	for _, k := range set.Keys {
		if k.KeyType != "OKP" || k.Curve != "Ed25519" {
			continue
		}
		public, err := base64.RawURLEncoding.DecodeString(k.X)
		if err != nil || len(public) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("read key %.64q: no Ed25519 key", k.ID)
		}
		keys = append(keys, Key{ID: k.ID, Public: public})
	}
	return keys, nil
}
