package main

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// The lots are those that another program makes of the same numbers:
//
//	printf '<room and account, without hyphens>' | xxd -r -p | openssl dgst -sha256 -mac HMAC -macopt hexkey:<seed>
//
// of which the first 13 digits are the lot.
func TestVerifyDraw(t *testing.T) {
	t.Parallel()
	draw := verifyDrawCommand{
		Room: uuid.MustParse("0198a000-0000-7000-8000-000000000001"), Seed: strings.Repeat("07", 32),
		SeedHash: "4bb06f8e4e3a7715d201d573d0aa423762e55dabd61a2c02278fa56cc6d294e0",
		Accounts: []string{"0198b1f2-0000-7000-8000-000000000001=152741997686590", "0198b1f2-0000-7000-8000-000000000002"},
	}
	var out strings.Builder
	require.NoError(t, draw.verify(&out))
	require.Equal(t, "the seed is the one that was promised\n1. 0198b1f2-0000-7000-8000-000000000001  152741997686590\n2. 0198b1f2-0000-7000-8000-000000000002  2075604366426524\n", out.String())

	draw.Accounts[0] += "0"
	require.ErrorContains(t, draw.verify(&out), "0198b1f2-0000-7000-8000-000000000001 was told the lot")
	draw.SeedHash = strings.Repeat("0", 64)
	require.ErrorContains(t, draw.verify(&out), "not the one that was promised")
}
