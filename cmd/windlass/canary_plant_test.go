package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// control is planted where it may be kept: whatever is searched for secrets must hold it somewhere.
const control = "allowedcontrolword"

// garden stands before a sandbox and plants canaries in its answers, wherever a Bitbucket, an old one, one of its
// plug-ins or a proxy may let out a secret.
type garden struct {
	inner   http.Handler
	product string
	// escaping writes JSON as some do that mean it to stand in a page: & and = as numbers, / behind a backslash.
	escaping bool

	mu     sync.Mutex
	round  int            // what is planted beside the canaries changes with it, so that versions are made
	places map[string]int // how many answers held the canary of a place
	kinds  map[string]int // how many objects of a kind were planted
	tokens map[string]bool
	refuse func(*http.Request) *refusal // instead of an answer
}

// refusal is an answer that the sandbox does not give.
type refusal struct {
	status int
	header map[string]string
	body   string
}

func newGarden(product string, inner http.Handler) *garden {
	return &garden{inner: inner, product: product, places: map[string]int{}, kinds: map[string]int{}, tokens: map[string]bool{}}
}

// secret names a place and returns its canary.
func (g *garden) secret(place string) string {
	place = g.product + ": " + place
	if _, known := g.places[place]; !known {
		g.places[place] = 0
	}
	return canary(place)
}

// url returns an address with canaries wherever the general rule masks them: user information and telling values.
func (g *garden) url(place string) string {
	return "https://ci:" + g.secret(place+", password in a URL") + "@host.example/x?a=1&access_token=" + g.secret(place+", token in a URL")
}

// refusing answers requests by f until it is called with nil.
func (g *garden) refusing(f func(*http.Request) *refusal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse = f
}

func (g *garden) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.round++
}

// ServeHTTP implements http.Handler.
func (g *garden) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	refuse := g.refuse
	g.mu.Unlock()
	if refuse != nil {
		if no := refuse(r); no != nil {
			for k, v := range no.header {
				w.Header().Set(k, v)
			}
			g.count([]byte(no.body), w.Header())
			w.WriteHeader(no.status)
			_, _ = io.WriteString(w, no.body)
			return
		}
	}
	r.Header.Del("If-None-Match")
	rec := httptest.NewRecorder()
	g.inner.ServeHTTP(rec, r)
	body := rec.Body.Bytes()
	if strings.Contains(rec.Header().Get("Content-Type"), "json") {
		body = g.answer(r, rec.Code, body)
	}
	for k, v := range rec.Header() {
		if k != "Etag" && k != "Content-Length" {
			w.Header()[k] = v
		}
	}
	g.mu.Lock()
	for k, v := range map[string]string{
		"X-Auth-Token": g.secret("response header X-Auth-Token"),
		"Set-Cookie":   "SESSION=" + g.secret("cookie") + "; Path=/",
		"Link":         "<" + g.url("Link header") + ">; rel=alternate",
		"X-AREQUESTID": "@" + g.secret("X-AREQUESTID"),
	} {
		w.Header().Set(k, v)
	}
	g.mu.Unlock()
	g.count(body, w.Header())
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body)
}

// count notes which canaries an answer holds.
func (g *garden) count(body []byte, header http.Header) {
	all := bytes.NewBuffer(bytes.Clone(body))
	_ = header.Write(all)
	g.mu.Lock()
	defer g.mu.Unlock()
	for place := range g.places {
		if bytes.Contains(all.Bytes(), []byte(canary(place))) {
			g.places[place]++
		}
	}
}

// answer plants canaries in a JSON answer.
func (g *garden) answer(r *http.Request, status int, body []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return body
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if m, ok := v.(map[string]any); ok {
		if token, ok := m["access_token"].(string); ok {
			g.tokens[token] = true
			m["refresh_token"] = g.secret("refresh token of a token answer")
			m["id_token"] = g.secret("identity token of a token answer")
		}
	}
	if status == http.StatusOK {
		v = g.append(r.URL.Path, v)
		g.walk(v)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(g.escaping)
	if e.Encode(v) != nil {
		return body
	}
	if g.escaping {
		return []byte(strings.NewReplacer("=", `\u003d`, "/", `\/`).Replace(out.String()))
	}
	return out.Bytes()
}

// append adds objects of the kinds that hold secrets by their nature, so that there are some in every list.
func (g *garden) append(path string, v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	list, ok := m["values"].([]any)
	if !ok {
		return v
	}
	for suffix, add := range map[string]func(string) []any{
		"/hooks": g.cloudHooks, "/deploy-keys": g.cloudKeys, "/webhooks": g.oldHooks, "/ssh": g.accessKeys,
	} {
		if strings.HasSuffix(path, suffix) {
			m["values"] = append(slices.Clone(list), add(path)...)
		}
	}
	return m
}

// walk plants in what it knows of an answer by its shape, at any depth.
func (g *garden) walk(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			g.walk(e)
		}
	case map[string]any:
		for _, e := range v {
			g.walk(e)
		}
		kind := shape(v)
		if kind == "" {
			return
		}
		g.kinds[kind]++
		if plant := map[string]func(map[string]any){
			"repository": g.repository, "project": g.project, "pull request": g.pullRequest, "user": g.user,
			"branch": g.branch, "workspace": g.owner, "instance": g.owner, "environment": g.owner, "group": g.owner,
			"restriction": g.restriction, "permission": g.owner,
		}[kind]; plant != nil {
			plant(v)
		}
		// What nobody foresaw: a plug-in's own members, a proxy's.
		v["pluginToken"] = g.secret("member of a " + kind + " whose name tells")
		v["plugin"] = map[string]any{
			"credentials": map[string]any{"value": g.secret("object in a " + kind + " whose name tells")},
			"addresses":   []any{"see " + g.url("text in a "+kind)},
		}
	}
}

// shape tells what an object is.
func shape(m map[string]any) string {
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { _, ok := m[n]; return !ok })
	}
	kind, _ := m["type"].(string)
	switch {
	case kind == "repository" || has("slug", "scmId"):
		return "repository"
	case kind == "workspace" || kind == "project":
		return kind
	case has("key", "id", "type", "links"):
		return "project"
	case kind == "pullrequest" || has("fromRef", "toRef"):
		return "pull request"
	case kind == "user" || has("displayName", "slug", "active"):
		return "user"
	case kind == "deployment_environment":
		return "environment"
	case kind == "branchrestriction" || has("matcher", "id"):
		return "restriction"
	case kind == "group" || has("deletable", "name") || has("slug", "members"):
		return "group"
	case kind == "webhook_subscription" || has("url", "events"):
		return "hook"
	case has("displayName", "buildNumber"):
		return "instance"
	case has("displayId", "latestCommit", "isDefault") || has("target", "name") && strings.Contains(kind, "branch"):
		return "branch"
	case has("permission") && (has("user") || has("group")):
		return "permission"
	}
	return ""
}

func (g *garden) repository(m map[string]any) {
	m["website"] = g.url("website of a repository")
	m["description"] = fmt.Sprintf("Build %d with %s or ?token=%s and so on", g.round, g.url("description of a repository"), g.secret("query in the description of a repository"))
	if name, _ := m["name"].(string); !strings.Contains(name, control) {
		m["name"] = name + " " + control
	}
	links, _ := m["links"].(map[string]any)
	if links == nil {
		return
	}
	clone := map[string]any{"name": "https", "href": "https://caller:" + g.secret("clone link of a repository") + "@host.example/x.git"}
	links["clone"] = []any{clone, map[string]any{"name": "http", "href": "http://" + g.secret("clone link with a name only") + "@host.example/x.git"}}
	links["downloads"] = map[string]any{"href": g.url("link of a repository")}
	if list, ok := links["self"].([]any); ok {
		links["self"] = append([]any{map[string]any{"href": g.url("page of a repository")}}, list...)
	} else {
		links["html"] = map[string]any{"href": g.url("page of a repository")}
	}
}

func (g *garden) project(m map[string]any) {
	m["description"] = fmt.Sprintf("%d: the address is %s.", g.round, g.url("description of a project"))
	g.page(m, "project")
}

// page plants in the links of an object, that to the page for people among them.
func (g *garden) page(m map[string]any, kind string) {
	links, _ := m["links"].(map[string]any)
	if links == nil {
		links = map[string]any{}
	}
	links["avatar"] = map[string]any{"href": g.url("avatar of a " + kind)}
	if _, ok := links["self"].([]any); ok {
		links["self"] = []any{map[string]any{"href": g.url("page of a " + kind)}}
	} else {
		links["html"] = map[string]any{"href": g.url("page of a " + kind)}
	}
	m["links"] = links
}

func (g *garden) pullRequest(m map[string]any) {
	const shown = 80 // how much of a description becomes a property
	before := "Round " + fmt.Sprint(g.round) + strings.Repeat(" x", 25) + " https://ci:"
	cut := g.secret("description of a pull request, cut in the password")
	text := before + strings.Repeat("y", max(0, shown-len(before)-12)) + cut + "@host.example/ and " + g.url("description of a pull request")
	m["description"] = text
	m["title"] = fmt.Sprint("Call ", g.url("title of a pull request"), " ", g.round)
	html := "<p>" + strings.ReplaceAll(g.url("rendered text of a pull request"), "&", "&amp;") + "</p>"
	m["summary"] = map[string]any{"raw": text, "html": html}
	m["rendered"] = map[string]any{"description": map[string]any{"html": html}}
	m["reason"] = "declined because of " + g.url("reason of a pull request")
	m["descriptionAsHtml"] = html
	m["properties"] = map[string]any{"x-build": map[string]any{"href": g.url("properties of a pull request")}}
	g.page(m, "pull request")
}

func (g *garden) user(m map[string]any) {
	m["apiKey"] = g.secret("key of a user")
	m["password"] = g.secret("password of a user")
	g.page(m, "user")
}

func (g *garden) branch(m map[string]any) {
	if target, ok := m["target"].(map[string]any); ok {
		target["message"] = "Fetch " + g.url("message of a commit")
	} else {
		m["metadata"] = map[string]any{"x:latest": map[string]any{"message": "Fetch " + g.url("message of a commit")}}
	}
}

func (g *garden) owner(m map[string]any) {
	kind := shape(m)
	if kind != "permission" {
		m["description"] = "at " + g.url("description of a "+kind)
	}
	g.page(m, kind)
	m["secretKey"] = g.secret("secret of a " + kind)
}

func (g *garden) restriction(m map[string]any) {
	if _, ofDataCenter := m["matcher"]; ofDataCenter {
		m["accessKeys"] = []any{map[string]any{"key": map[string]any{
			"id": json.Number("77"), "text": publicKey + " " + g.secret("comment of a key in a restriction"), "label": "ci",
		}}}
	}
	g.page(m, "restriction")
}

// publicKey is no secret; what stands behind it may be one.
const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

// addresses returns addresses of webhooks with secrets wherever receivers take them.
func (g *garden) addresses() []string {
	s := func(place string) string { return g.secret("address of a webhook, " + place) }
	return []string{
		g.url("address of a webhook"),
		"https://" + s("name without password") + "@chat.example/hook",
		"https://host.example/hook?colour=" + s("value of any name") + "&" + s("value without a name"),
		"https://host.example/hook?" + s("query without a name"),
		"https://chat.example/services/T0" + s("path of a chat") + "/B0" + s("second part of the path") + "/" + s("last part of the path"),
		"https://host.example/hook#" + s("fragment"),
		"https://host.example/hook%2F" + s("escaped path"),
		"https://host.example/hook;jsessionid=" + s("parameter of the path"),
		"HTTPS://CI:" + s("capitals") + "@HOST.EXAMPLE/HOOK?TOKEN=" + s("capitals in the query"),
		"not an address " + s("no address at all"),
	}
}

func (g *garden) cloudHooks(path string) (out []any) {
	of := fmt.Sprintf("%012x", len(path))
	for i, address := range g.addresses() {
		out = append(out, map[string]any{
			"type": "webhook_subscription", "uuid": fmt.Sprintf("{0c000000-0000-4000-8000-%s%02x}", of[2:], i), "url": address,
			"description": fmt.Sprintf("Hook %d.%d at %s", i, g.round, g.url("description of a webhook")), "active": true, "secret_set": true,
			"secret": g.secret("secret of a webhook"), "events": []any{"repo:push"}, "created_at": "2024-01-01T00:00:00.000000+00:00",
			"subject_type": "repository", "subject": map[string]any{"type": "repository", "links": map[string]any{"self": map[string]any{"href": g.url("subject of a webhook")}}},
			"links": map[string]any{"self": map[string]any{"href": g.url("link of a webhook")}},
		})
	}
	return out
}

func (g *garden) cloudKeys(string) []any {
	return []any{map[string]any{
		"type": "deploy_key", "id": json.Number("990077"), "key": publicKey + " " + g.secret("comment in a deploy key"), "label": "ci " + control,
		"comment": g.secret("comment of a deploy key"), "added_on": "2024-01-01T00:00:00.000000+00:00",
		"links": map[string]any{"self": map[string]any{"href": g.url("link of a deploy key")}},
	}}
}

// oldHooks are those of an old Data Center (FACTS 145).
func (g *garden) oldHooks(path string) (out []any) {
	scope := "project"
	if strings.Contains(path, "/repos/") {
		scope = "repository"
	}
	for i, address := range g.addresses() {
		out = append(out, map[string]any{
			"id": json.Number(fmt.Sprint(990_000 + i)), "name": fmt.Sprintf("Hook %d.%d at %s", i, g.round, g.url("name of a webhook")), "url": address,
			"createdDate": json.Number("1700000000000"), "updatedDate": json.Number("1700000000000"), "events": []any{"repo:refs_changed"},
			"active": true, "scopeType": scope, "sslVerificationRequired": true,
			"configuration": map[string]any{"secret": g.secret("secret of a webhook"), "createdBy": "bitbucket", "header": "Bearer " + g.secret("configuration of a webhook")},
			"credentials":   map[string]any{"username": "ci", "password": g.secret("password of a webhook"), "value": g.secret("credentials of a webhook")},
			"secret":        g.secret("secret beside the configuration of a webhook"),
			"statistics":    map[string]any{"lastFailure": map[string]any{"request": map[string]any{"url": address, "headers": map[string]any{"X-Hub": g.secret("statistics of a webhook")}}}},
		})
	}
	return out
}

func (g *garden) accessKeys(path string) []any {
	owner := "project"
	if strings.Contains(path, "/repos/") {
		owner = "repository"
	}
	return []any{map[string]any{
		"permission": "REPO_READ", owner: map[string]any{"id": json.Number("1")},
		"key": map[string]any{"id": json.Number("990077"), "label": "ci " + control, "text": publicKey + " " + g.secret("comment in an access key")},
	}}
}

// authorization returns what a request was signed with, in clear: a server that repeats it lets all of it out.
func authorization(r *http.Request) string {
	header := r.Header.Get("Authorization")
	if basic, ok := strings.CutPrefix(header, "Basic "); ok {
		pair, _ := base64.StdEncoding.DecodeString(basic)
		return header + " that is " + string(pair)
	}
	return header
}
