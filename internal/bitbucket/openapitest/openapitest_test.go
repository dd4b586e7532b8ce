package openapitest_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/windlass-hq/windlass/internal/bitbucket/openapitest"
)

func TestRequestsAreChecked(t *testing.T) {
	d := openapitest.Load(t, "cloud.openapi.json")
	const prs = "/2.0/repositories/acme/%7B1%7D/pullrequests"
	for _, c := range []struct {
		method, path string
		query        url.Values
		want         string // part of the error; "" is fine
	}{
		{"GET", prs, url.Values{"state": {"OPEN", "MERGED"}, "pagelen": {"50"}, "fields": {"+values.reviewers"}}, ""},
		{"GET", prs, url.Values{"state": {"ALL"}}, "not one of"},
		{"GET", prs, url.Values{"limit_to": {"1"}}, "no query parameter"},
		{"PATCH", prs, nil, "not defined"},
		{"GET", "/2.0/repos/acme", nil, "no path"},
		{"GET", "/user/workspaces", nil, ""},
	} {
		err := d.Request(c.method, c.path, c.query)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %s?%s: error %v, want %q", c.method, c.path, c.query.Encode(), err, c.want)
		}
	}
}

func TestAnswersAreChecked(t *testing.T) {
	d := openapitest.Load(t, "cloud.openapi.json")
	for _, c := range []struct {
		path   string
		status int
		body   string
		ok     bool
	}{
		{"/2.0/repositories/a/b", 200, `{"type":"repository","uuid":"{1}","parent":null}`, true},
		{"/2.0/repositories/a/b", 200, `{"uuid":"{1}"}`, false},
		{"/2.0/repositories/a/b", 200, `{"type":"repository","is_private":"yes"}`, false},
		{"/2.0/repositories/a/b", 200, `{"type":"repository","created_on":"yesterday"}`, false},
		{"/2.0/repositories/a/b", 200, `{"type":"repository","links":{"nonsense":{}}}`, false},
		{"/2.0/repositories/a", 200, `{"values":[{"type":"repository","size":"big"}]}`, false},
		{"/2.0/repositories/a/b", 404, `{"type":"error","error":{"message":"no"}}`, true},
		{"/2.0/repositories/a/b", 500, `{"type":"error","error":{}}`, false},
		{"/2.0/repositories/a/b", 429, `Rate limit`, true},
		{"/2.0/repositories/a/b", 204, ``, false},
	} {
		if err := d.Response("GET", c.path, c.status, []byte(c.body)); (err == nil) != c.ok {
			t.Errorf("%s %d %s: error %v, want fine %v", c.path, c.status, c.body, err, c.ok)
		}
	}
}

func TestAnswersOfDataCenterAreChecked(t *testing.T) {
	d := openapitest.Load(t, "datacenter.openapi.json")
	const prs = "/rest/api/latest/projects/A/repos/b/pull-requests"
	for _, c := range []struct {
		path   string
		status int
		body   string
		ok     bool
	}{
		{prs, 200, `{"size":1,"values":[{"id":7,"author":{"user":{"emailAddress":null}}}],"nextPageStart":null}`, true},
		{prs, 200, `{"size":1,"values":[{"id":"7"}]}`, false},
		{prs, 200, `{"size":1,"values":[{"id":7,"reviewers":[{"role":"BOSS"}]}]}`, false},
		{prs, 200, `{"size":1,"values":[{"id":7,"createdDate":"2026-08-19T17:27:55.266Z"}]}`, false},
		{prs, 200, `{"isLastPage":"no"}`, false},
		{prs, 404, `{"errors":[{"context":null,"message":"no","exceptionName":null}]}`, true},
		{prs, 404, `{"errors":[{"message":7}]}`, false},
		{prs, 409, `{"errors":[]}`, false},
		{prs, 201, `{}`, false},
	} {
		if err := d.Response("GET", c.path, c.status, []byte(c.body)); (err == nil) != c.ok {
			t.Errorf("%s %d %s: error %v, want fine %v", c.path, c.status, c.body, err, c.ok)
		}
	}
}
