package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// cloudHook is a webhook of a repository or a workspace (FACTS 90). Its secret signs deliveries; answers only say whether
// there is one.
type cloudHook struct {
	id          uuid
	description string
	url         string
	events      []string
	active      bool
	secret      string
	created     int64
}

// hooked is what has hooks: a repository, or a workspace where that is nil.
type hooked struct {
	ws   *workspace
	repo *repo
}

func (h hooked) settings() *settings {
	if h.repo != nil {
		return h.repo.settings()
	}
	return h.ws.settings()
}

// edit returns settings that stay as they are set from now on.
func (h hooked) edit() *settings {
	if h.repo != nil {
		return h.repo.edit()
	}
	return h.ws.edit()
}

func (h hooked) path() string {
	if h.repo != nil {
		return "/repositories/" + h.repo.fullName() + "/hooks/"
	}
	return "/workspaces/" + h.ws.slug + "/hooks/"
}

// hooked finds what the path is about, for a caller who may see its hooks.
func (c *call) hooked() (hooked, *failure) {
	if strings.Contains(c.route.path, "{repo_slug}") {
		r, f := c.administered()
		return hooked{repo: r}, f
	}
	if c.cred == nil {
		return hooked{}, c.unauthorized()
	}
	ws, f := c.workspace()
	if f == nil && !c.cred.administersWorkspace(ws) {
		f = denied(noWorkspaceAdmin)
	}
	return hooked{ws: ws}, f
}

func (w *writer) hook(at hooked, h *cloudHook) {
	w.parts("type", "webhook_subscription")
	w.id("uuid", h.id)
	w.str("description", h.description)
	w.str("url", h.url)
	w.boolean("active", h.active)
	w.boolean("secret_set", h.secret != "")
	w.time("created_at", h.created)
	events := []byte{'['}
	for i, e := range h.events {
		if i > 0 {
			events = append(events, ',')
		}
		events = appendString(events, e)
	}
	w.raw("events", string(append(events, ']')))
	if at.repo != nil {
		w.parts("subject_type", "repository")
		w.repositoryUnder("subject", at.repo)
	} else {
		w.parts("subject_type", "workspace")
		if w.open("subject") {
			w.workspaceObject(at.ws, false)
			w.close()
		}
	}
	if w.open("links") {
		w.linkID("self", w.api+at.path(), h.id, "")
		w.close()
	}
}

func (c *call) getHooks() *failure {
	at, f := c.hooked()
	if f != nil {
		return f
	}
	return respond(c, paging{byDefault: 10, max: 100}, at.settings().hooks, func(h *cloudHook) { c.out.hook(at, h) })
}

// oneHook finds the hook that ends the path.
func (c *call) oneHook() (hooked, *cloudHook, *failure) {
	at, f := c.hooked()
	if f != nil {
		return at, nil, f
	}
	ref := c.args[len(c.args)-1]
	id, _ := parseUUID("{" + strings.Trim(ref, "{}") + "}")
	for _, h := range at.settings().hooks {
		if h.id == id {
			return at, h, nil
		}
	}
	return at, nil, fail(http.StatusNotFound, ref+" is not a valid webhook.", "")
}

func (c *call) getHook() *failure {
	at, h, f := c.oneHook()
	if f != nil {
		return f
	}
	c.out.root(func() { c.out.hook(at, h) })
	return nil
}

// readCloudHook reads a hook from the body. What is absent keeps its value, the secret too; null or "" removes it.
func (c *call) readCloudHook(h *cloudHook) *failure {
	body, err := io.ReadAll(io.LimitReader(c.req.Body, 1<<20))
	if err != nil {
		return fail(http.StatusBadRequest, "Bad request", "")
	}
	var o struct {
		Description *string         `json:"description"`
		URL         *string         `json:"url"`
		Active      *bool           `json:"active"`
		Events      *[]string       `json:"events"`
		Secret      json.RawMessage `json:"secret"`
	}
	if json.Unmarshal(body, &o) != nil {
		return fail(http.StatusBadRequest, "Bad request", "")
	}
	set(&h.description, o.Description)
	set(&h.url, o.URL)
	set(&h.active, o.Active)
	set(&h.events, o.Events)
	if len(o.Secret) > 0 {
		var secret *string
		if json.Unmarshal(o.Secret, &secret) != nil || secret != nil && len(*secret) > 128 {
			return badField("secret", "The secret must be a text of at most 128 characters.")
		}
		h.secret = ""
		set(&h.secret, secret)
	}
	u, err := url.Parse(h.url)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return badField("url", "Enter a valid URL.")
	case len(h.events) == 0:
		return badField("events", "At least one event is required.")
	}
	for _, e := range h.events {
		if f := c.mayHear(e); f != nil {
			return f
		}
	}
	return nil
}

func badField(name, text string) *failure {
	b := appendString([]byte(`{"type":"error","error":{"message":"Bad request","fields":{"`+name+`":[`), text)
	return &failure{status: http.StatusBadRequest, body: string(append(b, "]}}}"...))}
}

// mayHear checks the scope that hearing of an event takes (FACTS 31).
func (c *call) mayHear(event string) *failure {
	subject, _, _ := strings.Cut(event, ":")
	need := map[string]string{"repo": "repository", "pullrequest": "pullrequest", "project": "project", "pipeline": "pipeline"}[subject]
	if need == "" {
		return badField("events", "Unknown event: "+event)
	}
	if c.cred.Kind == APIToken {
		need = "read:" + need + ":bitbucket"
	}
	if !c.cred.granted[need] {
		return lacking(need, c.cred.collapsed())
	}
	return nil
}

// createHook keeps a new hook; 50 is the most that one repository has (FACTS 100).
func (c *call) createHook() *failure {
	at, f := c.hooked()
	if f != nil {
		return f
	}
	if len(at.settings().hooks) >= 50 {
		return fail(http.StatusBadRequest, "The maximum number of webhooks is reached.", "")
	}
	h := &cloudHook{active: true}
	if f := c.readCloudHook(h); f != nil {
		return f
	}
	h.created = c.s.now()
	c.s.serial++
	g := derive(c.s.opts.Seed, streamControl, c.s.serial)
	h.id = g.uuid()
	s := at.edit()
	s.hooks = append(slices.Clone(s.hooks), h)
	c.status = http.StatusCreated
	c.out.root(func() { c.out.hook(at, h) })
	return nil
}

func (c *call) updateHook() *failure {
	at, old, f := c.oneHook()
	if f != nil {
		return f
	}
	h := *old
	if f := c.readCloudHook(&h); f != nil {
		return f
	}
	s := at.edit()
	s.hooks = slices.Clone(s.hooks)
	for i := range s.hooks {
		if s.hooks[i].id == h.id {
			s.hooks[i] = &h
		}
	}
	c.out.root(func() { c.out.hook(at, &h) })
	return nil
}

func (c *call) deleteHook() *failure {
	at, h, f := c.oneHook()
	if f != nil {
		return f
	}
	s := at.edit()
	s.hooks = slices.DeleteFunc(slices.Clone(s.hooks), func(x *cloudHook) bool { return x.id == h.id })
	c.status = http.StatusNoContent
	return nil
}
