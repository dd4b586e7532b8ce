package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// webhook is a registration (FACTS 145).
type webhook struct {
	id      int32
	name    string
	created int64
	updated int64
	events  []string
	url     string
	active  bool
	secret  string
	// What goes into the header Authorization of deliveries.
	username, password string
	by                 *user
	insured            bool // TLS certificates are verified
}

// equip gives a repository the hook of a build server, as instances in use have them: with something secret in its
// address, a secret for signatures, and with some a password.
func (d *dataCenter) equip(r *repo, g *random) {
	d.lastHook++
	secret := g.uuid()
	r.hooks = append(r.hooks, &webhook{
		id: d.lastHook, name: "Jenkins", created: r.created, updated: r.created + day, events: []string{"repo:refs_changed", "pr:opened"},
		url: "https://ci.acme.example/hook?token=" + string(secret.appendBare(nil)[:8]), active: true, secret: string(secret.appendBare(nil)[9:23]), insured: true,
	})
	if d.lastHook%2 == 0 {
		h := r.hooks[len(r.hooks)-1]
		h.username, h.password = "bitbucket", string(secret.appendBare(nil)[24:])
	}
}

func (c *call) dcHook(h *webhook) {
	w := c.out
	w.buf = append(w.buf, '{')
	w.integer("id", int64(h.id))
	w.str("name", h.name)
	w.integer("createdDate", h.created/1000)
	w.integer("updatedDate", h.updated/1000)
	w.text(`,"events":[`)
	for _, e := range h.events {
		w.comma()
		w.buf = appendString(w.buf, e)
	}
	w.text(`],"configuration":{`)
	if h.secret != "" && !c.dc.version.hidesSecrets() {
		w.str("secret", h.secret)
	}
	if h.by != nil {
		w.str("createdBy", h.by.login)
	}
	w.buf = append(w.buf, '}')
	if h.username != "" {
		w.text(`,"credentials":{`)
		w.str("username", h.username)
		if !c.dc.version.hidesSecrets() {
			w.str("password", h.password)
		}
		w.text("}")
	}
	w.str("url", h.url)
	w.boolean("active", h.active)
	if c.dc.version.atLeast(8, 0) {
		scope := "repository"
		if c.ofProject() {
			scope = "project"
		}
		w.parts("scopeType", scope)
		w.boolean("sslVerificationRequired", h.insured)
	}
	w.buf = append(w.buf, '}')
}

// ofProject says whether the path is that of a project's hooks: /rest/api/latest/projects/{projectKey}/webhooks.
func (c *call) ofProject() bool { return c.route.segs[5] == "webhooks" }

// hooks finds the hooks of the project or repository in the path, which only administrators of it may see.
func (c *call) hooks() (*[]*webhook, *failure) {
	if c.ofProject() {
		p, f := c.dcProjectOf()
		switch {
		case f != nil:
			return nil, f
		case c.who.onProject(p) < dcAdmin:
			return nil, dcNotPermitted()
		}
		return &p.hooks, nil
	}
	r, f := c.dcRepositoryOf()
	switch {
	case f != nil:
		return nil, f
	case c.who.on(r) < dcAdmin:
		return nil, dcNotPermitted()
	}
	return &r.hooks, nil
}

func (c *call) dcWebhooks() *failure {
	list, f := c.hooks()
	if f != nil {
		return f
	}
	events := c.query["event"]
	return dcRespond(c, dcManyItems, *list, func(h *webhook) bool {
		return len(events) == 0 || slices.ContainsFunc(events, func(e string) bool { return slices.Contains(h.events, e) })
	}, c.dcHook)
}

// hook finds one by the id that ends the path.
func (c *call) hook() (list *[]*webhook, at int, f *failure) { return c.hookAt(c.args[len(c.args)-1]) }

// hookAt finds one by its id.
func (c *call) hookAt(id string) (list *[]*webhook, at int, f *failure) {
	if list, f = c.hooks(); f != nil {
		return nil, 0, f
	}
	at = slices.IndexFunc(*list, func(h *webhook) bool { return strconv.Itoa(int(h.id)) == id })
	if at < 0 {
		return nil, 0, dcFail(http.StatusNotFound, "No webhook exists with ID "+id, "com.atlassian.webhooks.NoSuchWebhookException")
	}
	return list, at, nil
}

func (c *call) dcWebhook() *failure {
	list, at, f := c.hook()
	if f != nil {
		return f
	}
	c.dcHook((*list)[at])
	return nil
}

// readHook reads a registration from the body; what is absent keeps its value.
func (c *call) readHook(h *webhook) *failure {
	body, err := io.ReadAll(io.LimitReader(c.req.Body, 1<<20))
	if err != nil {
		return dcFail(http.StatusBadRequest, "The body cannot be read.", dcBadArgument)
	}
	var o struct {
		Name          *string
		Events        *[]string
		URL           *string
		Active        *bool
		Insured       *bool `json:"sslVerificationRequired"`
		Configuration *struct{ Secret *string }
	}
	if err := json.Unmarshal(body, &o); err != nil {
		return dcFail(http.StatusBadRequest, "The body is no webhook.", dcBadArgument)
	}
	set(&h.name, o.Name)
	set(&h.events, o.Events)
	set(&h.url, o.URL)
	set(&h.active, o.Active)
	set(&h.insured, o.Insured)
	if o.Configuration != nil {
		set(&h.secret, o.Configuration.Secret)
	}
	u, err := url.Parse(h.url)
	switch {
	case h.name == "":
		return dcFailAbout(http.StatusBadRequest, "name", "A name is required.", dcBadArgument)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return dcFailAbout(http.StatusBadRequest, "url", "The URL must be absolute and use http or https.", dcBadArgument)
	case len(h.events) == 0:
		return dcFailAbout(http.StatusBadRequest, "events", "At least one event is required.", dcBadArgument)
	}
	return nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (c *call) dcCreateWebhook() *failure {
	list, f := c.hooks()
	if f != nil {
		return f
	}
	at := c.s.now()
	h := &webhook{created: at, updated: at, active: true, insured: true, by: c.who.user}
	if f := c.readHook(h); f != nil {
		return f
	}
	c.dc.lastHook++
	h.id = c.dc.lastHook
	*list = append(slices.Clone(*list), h)
	c.status = http.StatusCreated // FACTS 145: the document says 200
	c.dcHook(h)
	return nil
}

func (c *call) dcUpdateWebhook() *failure {
	list, at, f := c.hook()
	if f != nil {
		return f
	}
	h := *(*list)[at]
	if f := c.readHook(&h); f != nil {
		return f
	}
	h.updated = c.s.now()
	*list = slices.Clone(*list)
	(*list)[at] = &h
	c.dcHook(&h)
	return nil
}

func (c *call) dcDeleteWebhook() *failure {
	list, at, f := c.hook()
	if f != nil {
		return f
	}
	*list = slices.Delete(slices.Clone(*list), at, at+1)
	c.status = http.StatusNoContent
	return nil
}
