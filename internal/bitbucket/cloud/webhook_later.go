package cloud

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/windlass-hq/windlass/internal/bitbucket"
)

// What is known and changes nothing yet: the event says why, and keeps what it alone tells.

// status reads a build status.
func (d *delivery) status() error {
	if err := d.about(d.part("repository")); err != nil {
		return err
	}
	s := d.part("commit_status")
	d.out.Ignore = "build statuses are not kept yet"
	for name, member := range map[string]string{"statusKey": "key", "statusName": "name", "statusState": "state", "statusLink": "url", "ref": "refname"} {
		d.extra(name, text(s, member))
	}
	hash := text(s, "commit", "hash")
	if hash == "" { // older bodies only link to the commit
		href := text(s, "links", "commit", "href")
		hash = href[strings.LastIndexByte(href, '/')+1:]
	}
	if isHash(hash) {
		d.extra("commit", hash)
	}
	d.happened(s.Get("updated_on"), s.Get("created_on"))
	return nil
}

// commitComment reads a comment on a commit.
func (d *delivery) commitComment() error {
	if err := d.about(d.part("repository")); err != nil {
		return err
	}
	d.out.Ignore = "comments on commits are not kept"
	d.comment(d.part("comment"))
	if hash := text(d.part("commit"), "hash"); isHash(hash) {
		d.extra("commit", hash)
	}
	d.happened(d.part("comment").Get("created_on"))
	return nil
}

// issue reads an event of the issue tracker, which is gone since August 2026 (FACTS 83).
func (d *delivery) issue() error {
	if err := d.about(d.part("repository")); err != nil {
		return err
	}
	d.out.Ignore = "Bitbucket has no issue tracker any more"
	d.happened(d.part("issue").Get("updated_on"), d.part("issue").Get("created_on"))
	return nil
}

// span reads spans of pipelines, in the JSON form of OpenTelemetry: resourceSpans, scopeSpans, spans, each with
// attributes. What they are about stands in attributes, of the resource or of a span. Neither actor nor repository are
// guaranteed.
func (d *delivery) span() error {
	d.out.Ignore = "runs of pipelines are not kept yet"
	if d.part("repository").IsObject() {
		if err := d.about(d.part("repository")); err != nil {
			return err
		}
	}
	found := map[string]string{}
	attributes := func(j bitbucket.JSON) {
		j.Get("attributes").Elements(func(a bitbucket.JSON) {
			key := text(a, "key")
			for _, suffix := range []string{"repository.uuid", "repository.full_name", "account.uuid", "workspace.uuid", "run_number"} {
				if value := attribute(a.Get("value")); value != "" && found[suffix] == "" && strings.HasSuffix(key, suffix) {
					found[suffix] = value
				}
			}
		})
	}
	var ended int64
	var names []string
	d.part("resourceSpans").Elements(func(resource bitbucket.JSON) {
		attributes(resource.Get("resource"))
		resource.Get("scopeSpans").Elements(func(scope bitbucket.JSON) {
			scope.Get("spans").Elements(func(s bitbucket.JSON) {
				attributes(s)
				if name := text(s, "name"); name != "" && !slices.Contains(names, name) && len(names) < 10 {
					names = append(names, name)
				}
				if n, err := strconv.ParseInt(attribute(s.Get("endTimeUnixNano")), 10, 64); err == nil {
					ended = max(ended, n)
				}
			})
		})
	})
	if ended > 0 {
		d.out.At = time.Unix(0, ended).UTC()
	}
	if len(names) > 0 {
		d.extra("spans", boxed(names))
	}
	d.extra("pipelineRun", found["run_number"])
	d.aboutRun(found)
	return nil
}

// aboutRun takes from the attributes of a run what it is about.
func (d *delivery) aboutRun(found map[string]string) {
	if id, ok := normalUUID(found["repository.uuid"]); ok && d.out.Repository == "" {
		d.out.Repo = bitbucket.RepoRef{Key: thingKey(id), UUID: id, FullName: strings.ToLower(found["repository.full_name"])}
		d.out.Repository = d.out.Repo.Key
	}
	for _, name := range []string{"workspace.uuid", "account.uuid"} {
		if id, ok := normalUUID(found[name]); ok && d.out.Account == "" {
			d.out.Account, d.out.Repo.WorkspaceUUID = thingKey(id), id
		}
	}
}

// attribute returns a value of OpenTelemetry as text: {"stringValue": …}, {"intValue": …}, or the value itself.
func attribute(j bitbucket.JSON) string {
	for _, v := range []bitbucket.JSON{j, j.Get("stringValue"), j.Get("intValue")} {
		if s, ok := v.Text(); ok {
			return s
		}
		if n, ok := v.Integer(); ok {
			return strconv.FormatInt(n, 10)
		}
	}
	return ""
}
