package datacenter

import (
	"cmp"
	"strings"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// webhooks lists the hooks of a place.
func (r resource) webhooks() bitbucket.Settings {
	return r.settings(setting{
		list: bitbucket.ListWebhooks, feature: bitbucket.FeatureWebhooks, title: "webhooks",
		listing: listing{path: "/api/latest" + r.path + "/webhooks"},
		skip:    func(v bitbucket.JSON) bool { return r.elsewhere(v.Get("scopeType")) },
		convert: all(r.convertHook),
	})
}

// convertHook converts a webhook. Old versions show its secret and its password in clear text (FACTS 145), its address
// may hold keys of the receiver, and its statistics what was sent: all of that is left out of the raw object, and the
// address and what people wrote about it are masked.
func (r resource) convertHook(j bitbucket.JSON, _ *mentions) (graph.Object, *bitbucket.Record, bool) {
	w := readHook(j)
	id, ok := readID(w.id)
	if !ok {
		return graph.Object{}, nil, false
	}
	rec := bitbucket.NewRecord(12)
	rec.Props["id"] = id
	name := rec.HookWords("name", w.name)
	address := rec.HookURL("url", w.url)
	if events, known := texts(rec, "events", w.events, bitbucket.JSON.Text); known {
		rec.Props["events"] = values(events)
	}
	rec.Flag("active", w.active)
	rec.Flag("sslVerificationRequired", w.verified)
	rec.Props["scopeType"] = strings.ToLower(r.scope)
	rec.Props["secretSet"] = nil // newer versions do not tell
	if secret, _ := bitbucket.Inner(w.configuration, "secret").Text(); secret != "" {
		rec.Props["secretSet"] = true
	}
	rec.Moment("createdOn", w.created)
	raw := bitbucket.Scrub(without(j, "configuration", "credentials", "statistics", "url", "name"))
	e := r.entity(graph.TypeWebhook, ":hook:"+id, cmp.Or(name, address, id), rec, raw)
	return r.has(e), rec, true
}
