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

func (a *App) doctorConnection(ctx context.Context, c store.Connection, add adder) error {
	name := "connection " + c.Name
	credentials, err := a.store.Credentials(ctx, c.ID)
	if err != nil {
		add("error", name, "check that the key file is the one the credentials were stored with", "the credentials cannot be opened: %v", err)
		return nil
	}
	if len(credentials) == 0 {
		add("error", name, "windlass connection credential add "+c.Name, "it has no credential")
	}
	for _, k := range credentials {
		if v := k.Verdict; v != nil && !v.Valid {
			add("error", name, "windlass connection test "+c.Name, "credential %d was refused: %s", k.ID, v.Problem)
		} else if v != nil && len(v.Missing) > 0 {
			add("warning", name, "windlass connection test "+c.Name, "credential %d lacks %s", k.ID, join(v.Missing))
		}
	}
	runs, err := a.store.Runs(ctx, store.RunFilter{Connection: c.ID, Limit: 1})
	if err != nil {
		return err
	}
	switch {
	case len(runs) == 0:
		add("info", name, "windlass sync "+c.Name, "it was never read")
	case runs[0].Status == "failed":
		add("error", name, "windlass runs "+c.Name, "the last run failed: %s", runs[0].Error)
	case runs[0].Status == "complete" || runs[0].Status == store.RunRunning:
		add("ok", name, "", "the last run (%d) is %s", runs[0].ID, runs[0].Status)
	default:
		add("warning", name, "windlass runs "+c.Name, "the last run (%d) is %s", runs[0].ID, runs[0].Status)
	}
	scopes, err := a.store.Scopes(ctx, c.ID)
	if err != nil {
		return err
	}
	bad := map[store.LedgerState]int{}
	for _, s := range scopes {
		switch s.State {
		case store.LedgerPartial, store.LedgerFailed, store.LedgerDenied:
			bad[s.State]++
		}
	}
	for _, state := range []store.LedgerState{store.LedgerFailed, store.LedgerPartial, store.LedgerDenied} {
		if n := bad[state]; n > 0 {
			add("warning", name, "windlass runs "+c.Name+" -o json names them", "%d of %d listings are %s", n, len(scopes), state)
		}
	}
	held, err := a.store.HeldClosings(ctx, c.ID)
	if err != nil {
		return err
	}
	for _, h := range held {
		add("warning", name, fmt.Sprintf("windlass sync %s --confirm-deletes %d", c.Name, h.Run),
			"run %d holds %d closings: %s", h.Run, len(h.Members), h.Reason)
	}
	return nil
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
