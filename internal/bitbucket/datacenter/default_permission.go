package datacenter

import (
	"context"
	"fmt"

	"github.com/windlass-hq/windlass/internal/bitbucket"
	"github.com/windlass-hq/windlass/internal/fault"
	"github.com/windlass-hq/windlass/internal/graph"
)

// defaultPermission tells what every user of the instance may do in a project. There is one question for each level,
// and whether a higher level answers for the lower ones is not documented: so they are asked from the highest.
func (r resource) defaultPermission() bitbucket.Settings {
	right := bitbucket.RightOf(bitbucket.DataCenter, bitbucket.FeatureProjectPermissions)
	title := "default permission of " + r.title
	s := setting{
		listing: listing{what: "the " + title, may: r.may},
		gather:  func() gatherer { return &defaultLevel{} },
	}
	l := r.c.listingOf(s.listing)
	levels := []string{"PROJECT_ADMIN", "PROJECT_WRITE", "PROJECT_READ"}
	step := func(i int) bitbucket.Step {
		return bitbucket.Step{Path: "/api/latest" + r.path + "/permissions/" + levels[i] + "/all", Start: int64(i)}
	}
	l.First = step(0)
	l.Read = func(at bitbucket.Step, resp *bitbucket.Response) (bitbucket.Envelope, error) {
		if err := r.c.loggedIn(s.what, resp); err != nil {
			return bitbucket.Envelope{}, err
		}
		permitted, ok := resp.Body.Get("permitted").Flag()
		if !ok {
			return bitbucket.Envelope{}, fault.New(fault.Unavailable, "the answer about %s does not say whether it is permitted", s.what).
				With("check --url: something other than Bitbucket Data Center may answer there")
		}
		env := bitbucket.Envelope{Values: []bitbucket.JSON{bitbucket.JSON(fmt.Sprintf(`{"permission":%q,"permitted":%t}`, levels[at.Start], permitted))}}
		if next := int(at.Start) + 1; !permitted && next < len(levels) {
			following := step(next)
			env.Next = &following
		}
		return env, nil
	}
	return bitbucket.Settings{
		List: bitbucket.ListDefaultPermission, Title: title, Right: right,
		Pages: func(ctx context.Context, yield func(bitbucket.Page) error) error {
			return r.read(ctx, right, s, l, yield)
		},
	}
}

// defaultLevel is the highest level that everybody has.
type defaultLevel struct{ level string }

func (d *defaultLevel) add(v bitbucket.JSON, _ *mentions) (*bitbucket.Record, bool) {
	if permitted, _ := v.Get("permitted").Flag(); permitted {
		name, _ := v.Get("permission").Text()
		d.level = level(name)
	}
	return bitbucket.NewRecord(0), true
}

func (d *defaultLevel) say() (graph.Properties, []graph.Relationship) {
	if d.level == "" {
		return graph.Properties{"defaultPermission": "none"}, nil
	}
	return graph.Properties{"defaultPermission": d.level}, nil
}
