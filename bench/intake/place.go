package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/store"
	"github.com/windlass-hq/windlass/internal/sync"
)

// What deliveries are about: pull requests of a project on a Data Center.
const (
	instance     = "bench"
	repositories = 100
	pulls        = 20 // of each repository
	account      = "dc:" + instance
	project      = account + ":project:7"
	bodySize     = 8 << 10
)

func repo(n int) string { return fmt.Sprintf("%s:repo:%d", account, n+1) }

// place is a connection with a hook and what its graph knows.
type place struct {
	conn   store.Connection
	hook   store.Hook
	scopes []int64 // of the pull requests of each repository
}

// fill makes what a first sync would have made.
func fill(ctx context.Context, db *store.Store, name string) (p place, err error) {
	p.conn, err = db.CreateConnection(ctx, store.Connection{Name: name, Product: string(bitbucket.DataCenter), AccountName: name, Interval: "1h"}, nil)
	if err != nil {
		return p, err
	}
	id := store.NewHookID()
	p.hook, err = db.AddHook(ctx, store.Hook{
		ID: id, Connection: p.conn.ID, Place: project, PlaceType: graph.TypeProject, PlaceName: "ENG", URL: "http://127.0.0.1/hooks/" + id,
		Secret: store.NewHookSecret(), Signed: true, MadeBy: store.MadeByWindlass,
	})
	if err != nil {
		return p, err
	}
	put := func(parent, listing string, objects ...graph.Object) (int64, error) {
		scope, err := db.EnsureScope(ctx, store.ScopeKey{Connection: p.conn.ID, Parent: parent, Listing: listing}, listing)
		if err != nil || len(objects) == 0 {
			return scope.ID, err
		}
		_, err = db.Apply(ctx, store.Batch{
			Scope: scope.ID, Stream: sync.Stream(p.conn.ID), Cause: graph.Cause{Kind: "run", ID: "bench"}, Origin: "sync", RequestedAt: time.Now(), Objects: objects,
		})
		return scope.ID, err
	}
	if _, err := put(account, "projects", object(graph.TypeProject, project, "")); err != nil {
		return p, err
	}
	var all []graph.Object
	for n := range repositories {
		all = append(all, object(graph.TypeRepo, repo(n), project))
	}
	if _, err := put(account, "repositories", all...); err != nil {
		return p, err
	}
	for n := range repositories {
		scope, err := put(repo(n), "pull-requests")
		if err != nil {
			return p, err
		}
		p.scopes = append(p.scopes, scope)
	}
	return p, nil
}

func object(typ, key, home string) graph.Object {
	return graph.Object{Entity: graph.Entity{Key: key, Type: typ, Name: key, Home: home, Properties: graph.Properties{"ownerId": instance}}}
}

type part = map[string]any

// body is what a Data Center says of the nth change of a pull request, filled up to its size with the description.
func body(n int) []byte {
	number := n % repositories
	repository := part{
		"slug": fmt.Sprintf("repo-%d", number), "id": number + 1, "name": fmt.Sprintf("Repo %d", number), "scmId": "git",
		"project": part{"key": "ENG", "id": 7, "name": "Engines", "public": false, "type": "NORMAL"},
	}
	user := func(id int) part {
		return part{"name": fmt.Sprintf("user-%d", id), "id": id, "slug": fmt.Sprintf("user-%d", id), "displayName": fmt.Sprintf("User %d", id), "active": true, "type": "NORMAL"}
	}
	branch := func(name, commit string) part {
		return part{"id": "refs/heads/" + name, "displayId": name, "latestCommit": commit, "repository": repository, "type": "BRANCH"}
	}
	pull := part{
		"id": n/repositories%pulls + 1, "version": n, "title": fmt.Sprintf("Change %d", n), "state": "OPEN", "open": true, "closed": false,
		"createdDate": 1767225600123, "updatedDate": 1767229200456 + n, "fromRef": branch("feature", fmt.Sprintf("%040x", n)), "toRef": branch("main", strings.Repeat("b", 40)),
		"author":    part{"user": user(1 + n%40), "role": "AUTHOR", "approved": false, "status": "UNAPPROVED"},
		"reviewers": []part{{"user": user(1 + (n+1)%40), "role": "REVIEWER", "approved": false, "status": "UNAPPROVED"}}, "participants": []part{},
	}
	whole := part{"eventKey": "pr:modified", "date": "2026-01-01T02:00:00+0100", "actor": user(1 + n%40), "pullRequest": pull}
	short, _ := json.Marshal(whole) // what is made of texts and numbers can be written
	pull["description"] = strings.Repeat("x", max(0, bodySize-len(short)))
	full, _ := json.Marshal(whole) // as above
	return full
}
