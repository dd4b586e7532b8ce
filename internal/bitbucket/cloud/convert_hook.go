package cloud

import (
	"cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// convertHook converts a webhook (FACTS 90). Its address and what people wrote about it may hold keys of the receiver:
// they are masked in the properties and left out of the raw object.
func convertHook(j bitbucket.JSON, p place, _ *parties) (graph.Object, *bitbucket.Record, bool) {
	r := bitbucket.NewRecord(10)
	id, ok := readUUID(j.Get("uuid"))
	if !ok {
		return graph.Object{}, r, false
	}
	r.Props["id"] = id
	name := r.HookWords("name", j.Get("description"))
	address := r.HookURL("url", j.Get("url"))
	setTexts(r, "events", j.Get("events"))
	r.Flag("active", j.Get("active"))
	r.Flag("secretSet", j.Get("secret_set"))
	if r.Text("scopeType", j.Get("subject_type")) == "" {
		r.Props["scopeType"] = map[string]string{graph.TypeWorkspace: "workspace", graph.TypeRepo: "repository"}[p.Type]
	}
	r.Time("createdOn", j.Get("created_at"))
	key := p.Key + ":hook:" + id
	return p.object(graph.TypeWebhook, key, cmp.Or(name, address, id), graph.Has, r, without(j, "url", "description", "secret")), r, true
}
