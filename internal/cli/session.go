package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"

	"github.com/windlass-hq/windlass/client"
	"github.com/windlass-hq/windlass/internal/app"
	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/fault"
)

// session is one command under way.
type session struct {
	Environment
	ctx    context.Context
	config config.Config
}

// note prints a line for the person, never part of a command's output.
func (s *session) note(format string, args ...any) { fmt.Fprintf(s.Err, format+"\n", args...) }

// connection to a server, however it was found.
type door struct {
	*client.Client
	close func() error
}

// Close ends the connection, and the program in process with it.
func (d door) Close() error { return d.close() }

// open finds the server: --server, the data directory's socket, else the program in process without schedules.
func (s *session) open() (door, error) {
	if s.config.Server != "" {
		c, err := client.New(s.config.Server)
		if err != nil {
			return door{}, err
		}
		return door{Client: c, close: func() error { c.Close(); return nil }}, nil
	}
	if c := s.socket(); c != nil {
		return door{Client: c, close: func() error { c.Close(); return nil }}, nil
	}
	a, err := app.New(app.Options{Config: s.config, Log: s.logger(false), Now: s.Now, Tell: s.tell})
	if err == nil {
		err = a.Start(s.ctx)
	}
	if fault.Is(err, fault.Conflict) {
		// A server may have begun to listen since we looked.
		if c := s.socket(); c != nil {
			return door{Client: c, close: func() error { c.Close(); return nil }}, nil
		}
	}
	if err != nil {
		return door{}, err
	}
	return door{Client: client.InProcess(a.Handler()), close: a.Stop}, nil
}

// socket returns a client of the server that listens for the data directory, or nil.
func (s *session) socket() *client.Client {
	path, ok := app.Listening(s.ctx, s.config.DataDir)
	if !ok {
		return nil
	}
	return client.Socket(path)
}

// with runs f on an open door and closes it. An error of the closing counts only where f had none.
func (s *session) with(f func(door) error) error {
	d, err := s.open()
	if err != nil {
		return err
	}
	err = f(d)
	if closing := d.Close(); err == nil {
		err = closing
	}
	return err
}

func (s *session) tell(format string, args ...any) { s.note(format, args...) }

// logger writes to Err. A command that is no server keeps to warnings unless a level was asked for.
func (s *session) logger(server bool) *slog.Logger {
	level, err := s.config.Level()
	if err != nil || (!server && s.config.Origin("log-level") == "default") {
		level = slog.LevelWarn
	}
	return newLogger(s.Err, s.config.LogFormat, level, s.Terminal)
}

func newLogger(w io.Writer, format string, level slog.Level, terminal bool) *slog.Logger {
	switch {
	case format == "json", format == "auto" && !terminal:
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	case format == "text":
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
	}
	_, plain := os.LookupEnv("NO_COLOR")
	return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: "15:04:05.000", NoColor: plain}))
}
