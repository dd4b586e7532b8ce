package app

import (
	"runtime"
	"runtime/debug"

	"github.com/windlass-hq/windlass/internal/api"
)

// Version tells what this program is, from what the compiler has written into it.
func Version() api.Info {
	v := api.Info{Version: "dev", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if m := info.Main.Version; m != "" && m != "(devel)" {
		v.Version = m
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value[:min(len(s.Value), 12)]
		}
	}
	return v
}

func (a *App) info() api.Info {
	v := Version()
	v.Database = a.store.Dialect().Name()
	return v
}
