package cloud

import (
	"cmp"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/graph"
)

// convertEnvironment converts an environment that pipelines deploy to.
func convertEnvironment(j bitbucket.JSON, p place, _ *parties) (graph.Object, *bitbucket.Record, bool) {
	r := bitbucket.NewRecord(10)
	id, ok := readUUID(j.Get("uuid"))
	if !ok {
		return graph.Object{}, r, false
	}
	r.Props["id"] = id
	name := r.Text("name", j.Get("name"))
	slug := r.Text("slug", j.Get("slug"))
	r.Text("environmentType", bitbucket.Inner(j, "environment_type", "name"))
	r.Number("rank", j.Get("rank"))
	r.Flag("hidden", j.Get("hidden"))
	r.Flag("adminOnly", bitbucket.Inner(j, "restrictions", "admin_only"))
	key := p.Key + ":env:" + id
	return p.object(graph.TypeEnvironment, key, cmp.Or(name, slug, id), graph.Has, r, bitbucket.Scrub(j)), r, true
}
