package app

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/windlass-hq/windlass/internal/api"
	"github.com/windlass-hq/windlass/internal/config"
	"github.com/windlass-hq/windlass/internal/store"
)

// lowDisk is the free space below which a full disk is near.
const lowDisk = 1 << 30

// doctor checks the installation; it is api.Options.Doctor. What it cannot look at is a finding, not an error.
func (a *App) doctor(ctx context.Context) ([]api.Finding, error) {
	var out []api.Finding
	add := func(level, check, remedy, format string, args ...any) {
		out = append(out, api.Finding{Check: check, Level: level, Detail: fmt.Sprintf(format, args...), Remedy: remedy})
	}
	a.doctorPlaces(add)
	if err := a.ready(ctx); err != nil {
		add("error", "database", "check the disk and the log", "%v", err)
		return out, nil
	}
	if err := a.doctorStore(ctx, add); err != nil {
		return nil, err
	}
	connections, err := a.store.Connections(ctx)
	if err != nil {
		return nil, err
	}
	if len(connections) == 0 {
		add("info", "connections", "windlass connect cloud --help", "there is none yet")
	}
	for _, c := range connections {
		if err := a.doctorConnection(ctx, c, add); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// adder records a finding.
type adder func(level, check, remedy, format string, args ...any)

func (a *App) doctorPlaces(add adder) {
	dir := a.Config.DataDir
	if info, err := os.Stat(dir); err == nil {
		if info.Mode().Perm()&0o077 != 0 {
			add("warning", "data directory", "chmod 700 "+dir, "%s is open to other users (%04o)", dir, info.Mode().Perm())
		} else {
			add("ok", "data directory", "", "%s", dir)
		}
		var fs syscall.Statfs_t
		if err := syscall.Statfs(dir, &fs); err == nil {
			free := fs.Bavail * uint64(fs.Bsize)
			level, remedy := "ok", ""
			if free < lowDisk {
				level, remedy = "warning", "make room: a full disk stops every sync"
			}
			add(level, "free space", remedy, "%d MB", free>>20)
		}
	}
	key := a.Config.KeyFile
	if key == "" {
		if path, err := store.DefaultKeyPath(); err == nil {
			key = path
		}
	}
	switch info, err := os.Stat(key); {
	case err != nil:
		add("error", "key", "restore it from its backup: without it stored credentials cannot be read", "%s is not there", key)
	case info.Mode().Perm()&0o077 != 0:
		add("warning", "key", "chmod 600 "+key, "%s is open to other users (%04o)", key, info.Mode().Perm())
	default:
		add("ok", "key", "", "%s; keep a backup apart from the data", key)
	}
	if path, ok := Listening(context.Background(), dir); ok {
		add("ok", "server", "", "listens on %s", path)
	} else {
		add("info", "server", "windlass serve keeps connections up to date", "none listens for this data directory")
	}
	if !config.Loopback(a.Config.Listen) {
		add("warning", "listen", "use 127.0.0.1:8484", "%s is not on the loopback interface; serve refuses it", a.Config.Listen)
	}
}

func join(list []string) string {
	var out strings.Builder
	for i, s := range list {
		if i > 0 {
			out.WriteString(", ")
		}
		out.WriteString(s)
	}
	return out.String()
}
