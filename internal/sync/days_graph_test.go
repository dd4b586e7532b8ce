package sync_test

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/windlass-hq/windlass/internal/graph"
	"github.com/windlass-hq/windlass/internal/query"
)

// personalSettingsAreListed says whether runs read what was set in personal projects themselves; their repositories are
// read like others.
const personalSettingsAreListed = true

// factsOf are the properties that are compared, by type.
func factsOf(typ string) []string {
	return map[string][]string{
		graph.TypeWorkspace:   {"slug", "name"},
		graph.TypeInstance:    nil,
		graph.TypeUser:        {"name", "nickname", "username", "active"},
		graph.TypeProject:     {"key", "name", "public", "defaultPermission"},
		graph.TypeRepo:        {"slug", "name", "public", "archived", "projectKey", "defaultBranch"},
		graph.TypePullRequest: {"title", "state", "draft", "source", "target", "sourceCommit", "mergeCommit", "authorId", "closedById", "approverIds"},
		graph.TypeGroup:       {"name", "permission"},
		graph.TypePermission:  {"permission", "principalKey", "resourceKey"},
		graph.TypeRestriction: {"name", "matchKind", "pattern", "branchType", "value", "userIds", "groups"},
		graph.TypeWebhook:     {"name", "url", "events", "active"},
		graph.TypeKey:         {"name", "permission", "fingerprint"},
		graph.TypeEnvironment: {"name", "environmentType"},
		graph.TypeBranch:      {"name", "commit", "isDefault", "isProtected"},
	}[typ]
}

// graphAt asks for everything that the graph holds, or held at a moment, by queries alone.
func graphAt(t *testing.T, e *query.Engine, at *time.Time) *record {
	t.Helper()
	r := newRecord()
	ask := func(text string, yield func(query.Row)) {
		t.Helper()
		_, err := e.Run(t.Context(), query.Request{Text: text, At: at, Viewer: query.Everything()}, func(row query.Row) error {
			yield(row)
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	for _, d := range graph.Standard().Types() {
		facts := factsOf(d.Type)
		ask("FIND "+d.Type, func(row query.Row) {
			values := map[string]any{}
			for _, name := range facts {
				values[name] = plain(d.Type, name, row.Get(name))
			}
			r.entity(str(row.Get("_key")), d.Type, values)
		})
	}
	for _, d := range graph.Standard().Relationships() {
		ask(fmt.Sprintf("FIND %s AS a THAT %s >> %s AS b RETURN a._key AS x, b._key AS y", d.From, d.Verb, d.To), func(row query.Row) {
			r.edge(str(row.Get("x")), d.Verb, str(row.Get("y")))
		})
	}
	return r
}

// plain is a value of the graph as it is written down: lists in order, addresses without what is masked.
func plain(typ, name string, v any) any {
	switch v := v.(type) {
	case []any:
		texts := make([]string, 0, len(v))
		for _, x := range v {
			texts = append(texts, fmt.Sprint(x))
		}
		sort.Strings(texts)
		return slices.Compact(texts)
	case string:
		if typ == graph.TypeWebhook && name == "url" {
			return address(v)
		}
		return strings.TrimSpace(v)
	case int64, float64:
		return fmt.Sprint(v)
	}
	return v
}
