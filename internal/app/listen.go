package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/windlass-hq/windlass/internal/fault"
)

const (
	socketName = "windlass.sock"
	maxSocket  = 103 // the shortest limit of the systems we run on (macOS); Linux has 107
	dialWithin = time.Second
)

// SocketPath returns where a server of the data directory has its socket. It lies in the directory; where that path is
// too long for a socket, in the user's runtime directory under a name derived from it.
func SocketPath(dir string) (string, error) {
	full, err := filepath.Abs(dir)
	if err != nil {
		return "", fault.Wrap(err, fault.Unavailable, "the data directory %s has no absolute path", dir)
	}
	path := filepath.Join(full, socketName)
	if len(path) <= maxSocket {
		return path, nil
	}
	sum := sha256.Sum256([]byte(full))
	runtime := os.Getenv("XDG_RUNTIME_DIR")
	if runtime == "" {
		runtime = filepath.Join(os.TempDir(), "windlass-"+strconv.Itoa(os.Getuid()))
	}
	path = filepath.Join(runtime, "windlass-"+hex.EncodeToString(sum[:8])+".sock")
	if len(path) > maxSocket {
		return "", fault.New(fault.Usage, "the path of the data directory is too long for a socket (%d characters, at most %d)", len(full), maxSocket-len(socketName)-1).
			With("use a shorter --data-dir, or set XDG_RUNTIME_DIR to a short directory of your own")
	}
	return path, nil
}

// Listening returns the socket of the data directory when a server answers on it. A socket in a directory that others
// may write to is not trusted.
func Listening(ctx context.Context, dir string) (string, bool) {
	path, err := SocketPath(dir)
	if err != nil || !private(filepath.Dir(path)) {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return "", false
	}
	_ = c.Close()
	return path, true
}

// private reports whether a directory is ours and nobody else may write to it.
func private(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (int(st.Uid) == os.Getuid() || os.Getuid() == 0)
}

// listen opens the address and the socket and serves the API on both.
func (a *App) listen(ctx context.Context) error {
	tcp, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.Config.Listen)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "the server cannot listen on %s", a.Config.Listen).
			With("stop what listens there, or give another --listen")
	}
	unix, err := a.listenSocket(ctx)
	if err != nil {
		return errors.Join(err, tcp.Close())
	}
	a.url = "http://" + tcp.Addr().String()
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	server := &http.Server{
		Handler: a.entrance(a.api.Handler()), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return life },
		ErrorLog:    slog.NewLogLogger(a.Log.Handler(), slog.LevelWarn),
	}
	a.serve("listeners", server, end, tcp, unix)
	return a.listenForHooks(ctx)
}

// serve serves on listeners until the app stops.
func (a *App) serve(name string, server *http.Server, end func(), listeners ...net.Listener) {
	done := make(chan struct{}, len(listeners))
	for _, l := range listeners {
		go func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				a.failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
			}
			done <- struct{}{}
		}()
	}
	a.onStop(name, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		err := server.Shutdown(ctx)
		end() // what still streams is cut off
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		for range listeners {
			<-done
		}
		return err
	})
}

// listenForHooks opens the second address, if there is one, where only webhooks are let in.
func (a *App) listenForHooks(ctx context.Context) error {
	if a.Config.HooksListen == "" {
		return nil
	}
	tcp, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.Config.HooksListen)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "the server cannot listen for webhooks on %s", a.Config.HooksListen).
			With("stop what listens there, or give another --hooks-listen")
	}
	a.hooksURL = "http://" + tcp.Addr().String()
	only := http.NewServeMux()
	only.Handle(hooksPath, a.receiver)
	only.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	server := &http.Server{
		Handler: only, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelWarn),
	}
	a.serve("listener for webhooks", server, func() {}, tcp)
	return nil
}

// HooksURL returns where the second listener takes webhooks; empty where there is none.
func (a *App) HooksURL() string { return a.hooksURL }

// listenSocket opens the socket for this user only. One that a dead process left behind is removed.
func (a *App) listenSocket(ctx context.Context) (net.Listener, error) {
	path, err := SocketPath(a.Config.DataDir)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the directory of the socket cannot be created")
	}
	if dir == mustAbs(a.Config.DataDir) {
		if err := os.Chmod(dir, 0o700); err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "the data directory cannot be closed to others").With("it must belong to the user that runs windlass")
		}
	}
	if !private(dir) {
		return nil, fault.New(fault.Usage, "others may write to %s, where the socket would lie", dir).With("chmod 700 it, or set XDG_RUNTIME_DIR")
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, fault.New(fault.Conflict, "%s is in the way: it is no socket", path).With("move it elsewhere")
		}
		if _, alive := Listening(ctx, a.Config.DataDir); alive {
			return nil, fault.New(fault.Conflict, "another windlass serve listens on %s", path).With("stop it, or give this one a --data-dir of its own")
		}
		if err := os.Remove(path); err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "the socket that an earlier process left behind cannot be removed")
		}
	}
	old := syscall.Umask(0o177) // so that it is never open to others, not even for a moment
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, "the socket cannot be opened").With("use a --data-dir on a local disk")
	}
	return l, nil
}

func mustAbs(dir string) string {
	full, err := filepath.Abs(dir)
	if err != nil {
		return dir
	}
	return full
}
