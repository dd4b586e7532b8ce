package app

import (
	"net/http"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/bitbucket/cloud"
	"github.com/windlass-hq/windlass/internal/store"
)

func (a *App) openCloud(conn store.Connection, credentials []bitbucket.Credential, w way) (*cloud.Client, error) {
	transport, err := transportOf(conn.Settings)
	if err != nil {
		return nil, err
	}
	return cloud.New(cloud.Options{
		APIURL: conn.Settings["api-url"], SiteURL: conn.Settings["site-url"], Credentials: credentials, Role: w.role, Connection: conn.Name,
		HTTP: &http.Client{Transport: transport}, Now: a.Now, Version: Version().Version, NoWait: w.noWait, OnWait: w.onWait,
		Spending: a.store, Allowance: cloud.Stated(conn.Settings["allowance"]), Interactive: w.interactive,
		AllowHTTP: conn.Settings["allow-http"] == "true", NoPullRequests: conn.Settings["pull-requests"] == "false",
	})
}

// workspaces are those that the connection names; none means all that its credentials reach.
func workspaces(conn store.Connection) []string { return split(conn.Settings["workspaces"]) }
