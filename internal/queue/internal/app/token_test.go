package app

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestToken(t *testing.T) {
	t.Parallel()

	var s, other seal
	_, _ = rand.Read(s[:])
	_, _ = rand.Read(other[:])
	rapid.Check(t, func(rt *rapid.T) {
		made := token{
			Kind: rapid.SampledFrom([]kind{ticket, pass}).Draw(rt, "kind"), Room: uuid.New(), Account: uuid.New(), Sequence: rapid.Int64().Draw(rt, "sequence"),
		}
		if ms := rapid.Int64Range(0, 1<<50).Draw(rt, "until"); ms != 0 {
			made.Until = time.UnixMilli(ms).UTC()
		}
		text := s.sign(made)
		require.Len(rt, text, 87)
		read, err := s.open(text, made.Kind)
		require.NoError(rt, err)
		require.Equal(rt, made, read)

		_, err = s.open(text, ticket+pass-made.Kind)
		require.ErrorIs(rt, err, errNoToken, "one of another kind")
		_, err = other.open(text, made.Kind)
		require.ErrorIs(rt, err, errNoToken, "another shop's")
		forged := []byte(text)
		at := rapid.IntRange(0, len(forged)-1).Draw(rt, "at")
		forged[at] = rapid.SampledFrom([]byte("AZaz09-_ \x00=")).Draw(rt, "byte")
		if string(forged) != text {
			_, err = s.open(string(forged), made.Kind)
			require.ErrorIs(rt, err, errNoToken, "a forged one")
		}
		_, err = s.open(text[:at], made.Kind)
		require.ErrorIs(rt, err, errNoToken, "a part")
	})
}

func FuzzToken(f *testing.F) {
	var s seal
	f.Add(s.sign(token{Kind: pass, Until: time.UnixMilli(1)}))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		read, err := s.open(text, pass)
		if err == nil {
			require.Equal(t, text, s.sign(read), "a token has one text")
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	var s seal
	text := s.sign(token{Kind: pass, Room: uuid.New(), Account: uuid.New(), Until: time.Now()})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.open(text, pass); err != nil {
			b.Fatal(err)
		}
	}
}
