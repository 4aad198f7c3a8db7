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

	"github.com/sasapick/shop/internal/platform/clock"
	"github.com/sasapick/shop/internal/platform/redis"
)

const (
	doomed   = 64          // callers in the process that is killed
	lifetime = time.Second // after which it is
)

// giverCommand gives until it is killed, and writes a byte for each that it has promised.
type giverCommand struct {
	Database string    `required:""`
	Folder   string    `required:"" type:"path"`
	World    string    `required:""`
	Giveaway string    `required:"" enum:"claims,drops"`
	Of       uuid.UUID `required:""`
	Way      string    `required:"" enum:"shop,statement,script"`
	Pool     int       `default:"8"`
	Redis    string
}

// Run gives until something fails or the input ends.
func (c giverCommand) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &world{url: c.Database, folder: c.Folder, name: c.World, settings: settings{Redis: c.Redis}}
	g := giveaways[c.Giveaway]
	var x *way
	var end func()
	var missing string
	var err error
	switch c.Way {
	case "shop":
		x, end, err = w.byShop(ctx, g)
	case "statement":
		x, end, err = w.byStatement(ctx, g, c.Pool)
	default:
		x, end, missing, err = w.writtenBehind(ctx, g)
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
				if err := x.give(ctx, c.Of); err != nil {
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

// kill lets a process give in one of the ways, ends it with SIGKILL, and says what is missing. Each caller may have had one promise
// more than was heard of, so that it may say too little of what is lost, never too much.
func (w *world) kill(ctx context.Context, g giveaway, name, how string, pool int) (string, error) {
	of, err := w.announce(ctx, g, plenty)
	if err != nil {
		return "", err
	}
	words := g.words()
	if how == "script" {
		client, err := redis.Open(w.settings.Redis)
		if err != nil {
			return "", err
		}
		defer func() {
			_ = client.Unlink(context.WithoutCancel(ctx), w.keys()+of.String()).Err()
			_ = client.Close()
		}()
	}
	c, err := startChild(ctx, "giver", "--database", w.url, "--folder", w.folder, "--world", w.name, "--giveaway", words.id, "--of", of.String(),
		"--way", how, "--pool", strconv.Itoa(pool), "--redis", w.settings.Redis)
	if err != nil {
		return "", err
	}
	heard := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(io.Discard, c.output)
		heard <- n
	}()
	waited := clock.Sleep(ctx, lifetime)
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
	t, err := w.tally(ctx, g, of, promised)
	if err != nil {
		return "", err
	}
	return outcome(fmt.Sprintf("%s, killed after %s with %d callers", name, lifetime, doomed), words, t), nil
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
		if err := clock.Sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// killAll does it to the shop, to the single statement, and to what writes behind, where it can.
func (w *world) killAll(ctx context.Context, g giveaway, pool int) ([]string, error) {
	ways := [][2]string{{"the shop", "shop"}, {"a statement a " + g.words().one, "statement"}}
	if w.settings.Redis != "" {
		ways = append(ways, [2]string{"a script in Redis, written behind", "script"})
	}
	var notes []string
	for _, x := range ways {
		note, err := w.kill(ctx, g, x[0], x[1], pool)
		if err != nil {
			return nil, err
		}
		fmt.Println("  " + note)
		notes = append(notes, note)
	}
	return notes, nil
}
