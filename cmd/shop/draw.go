package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/queue"
)

// verifyDrawCommand checks a draw. It needs nothing of the shop but what it has told, so anyone can run it.
type verifyDrawCommand struct {
	Room     uuid.UUID `required:"" env:"-" help:"Id of the waiting room, as GET /v1/queue/rooms/{room} tells it."`
	SeedHash string    `required:"" env:"-" help:"Hash of the seed that the room told before it opened, in hexadecimal."`
	Seed     string    `required:"" env:"-" help:"Seed that it tells since then, in hexadecimal."`
	Accounts []string  `arg:"" help:"Ids of accounts, each with =lot where a ticket told one."`
}

func (v verifyDrawCommand) Run() error { return v.verify(os.Stdout) }

// verify prints the lots in their order, and fails where something is not as it was told.
func (v verifyDrawCommand) verify(out io.Writer) error {
	seed, err := hex.DecodeString(v.Seed)
	if err != nil {
		return fmt.Errorf("the seed is not hexadecimal: %w", err)
	}
	if hash := sha256.Sum256(seed); hex.EncodeToString(hash[:]) != strings.ToLower(v.SeedHash) {
		return fmt.Errorf("the seed is not the one that was promised: its hash is %x", hash)
	}
	fmt.Fprintln(out, "the seed is the one that was promised")
	type drawn struct {
		account uuid.UUID
		lot     int64
	}
	var all []drawn
	var wrong []error
	for _, text := range v.Accounts {
		id, told, has := strings.Cut(text, "=")
		account, err := uuid.Parse(id)
		if err != nil {
			return fmt.Errorf("%q is no account: %w", id, err)
		}
		lot := queue.Lot(seed, v.Room, account)
		if has && told != strconv.FormatInt(lot, 10) {
			wrong = append(wrong, fmt.Errorf("%s was told the lot %s, and its lot is %d", account, told, lot))
		}
		all = append(all, drawn{account, lot})
	}
	slices.SortFunc(all, func(a, b drawn) int { return cmp.Compare(a.lot, b.lot) })
	for i, d := range all {
		fmt.Fprintf(out, "%d. %s  %d\n", i+1, d.account, d.lot)
	}
	return errors.Join(wrong...)
}
