package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/coupons"
	"github.com/sasapick/shop/internal/platform/redis"
)

const (
	doomed   = 64          // callers in the process that is killed
	lifetime = time.Second // after which it is
)

// claimerCommand gives coupons until it is killed, and writes a byte for each that it has promised.
type claimerCommand struct {
	Database string    `required:""`
	Folder   string    `required:"" type:"path"`
	World    string    `required:""`
	Campaign uuid.UUID `required:""`
	Way      string    `required:"" enum:"shop,statement,script"`
	Pool     int       `default:"8"`
	Redis    string
}

// Run gives until something fails or the input ends.
func (c claimerCommand) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &world{url: c.Database, folder: c.Folder, name: c.World, settings: settings{Redis: c.Redis}}
	var x *way
	var end func()
	var missing string
	var err error
	switch c.Way {
	case "shop":
		x, end, err = w.byShop(ctx)
	case "statement":
		x, end, err = w.byStatement(ctx, c.Pool)
	default:
		x, end, missing, err = w.writtenBehind(ctx)
	}
	if err != nil {
		return err
	}
	defer end()
	if missing != "" {
		return errors.New(missing)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel(errors.New("nobody killed it"))
	}()
	fmt.Println("giving")
	for range doomed {
		go func() {
			for {
				if err := x.give(ctx, c.Campaign); err != nil {
					cancel(err)
					return
				}
				_, _ = os.Stdout.Write([]byte{'.'})
			}
		}()
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// kill lets a process give coupons in one of the ways, ends it with SIGKILL, and says what is missing. Each caller may have
// had one promise more than was heard of, so that it may say too little of what is lost, never too much.
func (w *world) kill(ctx context.Context, name, how string, pool int) (string, error) {
	campaign, err := w.campaign(ctx, plenty)
	if err != nil {
		return "", err
	}
	if how == "script" {
		client, err := redis.Open(w.settings.Redis)
		if err != nil {
			return "", err
		}
		defer func() {
			_ = client.Unlink(context.WithoutCancel(ctx), w.keys()+campaign.String()).Err()
			_ = client.Close()
		}()
	}
	c, err := startChild(ctx, "claimer", "--database", w.url, "--folder", w.folder, "--world", w.name, "--campaign", campaign.String(),
		"--way", how, "--pool", strconv.Itoa(pool), "--redis", w.settings.Redis)
	if err != nil {
		return "", err
	}
	heard := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(io.Discard, c.output)
		heard <- n
	}()
	waited := sleep(ctx, lifetime)
	_ = c.command.Process.Kill()
	promised := <-heard
	c.stop()
	if waited != nil {
		return "", waited
	}
	if promised == 0 {
		return "", fmt.Errorf("%s: it had promised nothing when it was killed", name)
	}
	if err := w.untilQuiet(ctx); err != nil {
		return "", err
	}
	t, err := w.tally(ctx, campaign, promised)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, killed after %s with %d callers: of %d claims that it had promised, lost %d, doubled %d", name, lifetime, doomed, promised, t.lost(), t.doubled()), nil
}

// untilQuiet waits until nobody is connected to the world's database: a server goes on with what it was sent by a process that is gone.
func (w *world) untilQuiet(ctx context.Context) error {
	for until := time.Now().Add(patience); ; {
		var sessions int
		err := w.admin.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend' AND pid <> pg_backend_pid()`, w.name).Scan(&sessions)
		if err != nil {
			return fmt.Errorf("count the sessions: %w", err)
		}
		if sessions == 0 {
			return nil
		}
		if time.Now().After(until) {
			return fmt.Errorf("%d sessions are still there after %s", sessions, patience)
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// killAll does it to the shop, to the single statement, and to what writes behind, where it can.
func (w *world) killAll(ctx context.Context, pool int) ([]string, error) {
	ways := [][2]string{{"the shop", "shop"}, {"a statement a claim", "statement"}}
	if w.settings.Redis != "" {
		ways = append(ways, [2]string{"a script in Redis, written behind", "script"})
	}
	var notes []string
	for _, x := range ways {
		note, err := w.kill(ctx, x[0], x[1], pool)
		if err != nil {
			return nil, err
		}
		fmt.Println("  " + note)
		notes = append(notes, note)
	}
	return notes, nil
}

// byShop is the shop's own way.
func (w *world) byShop(ctx context.Context) (*way, func(), error) {
	shop, err := w.open(ctx, 0)
	if err != nil {
		return nil, nil, err
	}
	return &way{name: "the shop", rest: shop.Rest, give: func(ctx context.Context, campaign uuid.UUID) error {
		_, err := shop.Coupons.Claim(ctx, coupons.ClaimInput{CampaignID: campaign, AccountID: uuid.New()})
		return err
	}}, func() { w.shut(ctx, shop) }, nil
}
