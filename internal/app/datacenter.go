package app

import (
	"net/http"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/datacenter"
	"github.com/windlass-hq/windlass/internal/store"
)

func (a *App) openDataCenter(conn store.Connection, credentials []bitbucket.Credential, w way) (*datacenter.Client, error) {
	transport, err := transportOf(conn.Settings)
	if err != nil {
		return nil, err
	}
	throttle, err := throttleOf(conn.Settings)
	if err != nil {
		return nil, err
	}
	return datacenter.New(datacenter.Options{
		URL: conn.Settings["url"], Instance: conn.Settings["instance"], Projects: w.projects, Credentials: credentials, Role: w.role, Connection: conn.Name,
		HTTP: &http.Client{Transport: transport}, Now: a.Now, Version: Version().Version, NoWait: w.noWait, OnWait: w.onWait,
		Spending: a.store, Throttle: throttle, Pacer: a.store, Interactive: w.interactive,
		AllowHTTP: conn.Settings["allow-http"] == "true", NoPullRequests: conn.Settings["pull-requests"] == "false",
	})
}

// projects are the keys of those that the connection names; none means the whole instance.
func projects(conn store.Connection) []string { return split(conn.Settings["projects"]) }
