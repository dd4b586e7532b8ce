package sandbox

import (
	"net/url"
	"strings"
)

// The functions of this file render the objects of Bitbucket Data Center, each with its braces. Users, projects and
// repositories occur many times on a page of pull requests, so what was rendered once is copied.

// dcKind tells copies of different kinds apart.
type dcKind uint64

const (
	dcUserKind dcKind = iota + 1
	dcProjectKind
	dcRepoKind
)

// span is where in the buffer something was rendered.
type span struct{ from, to int }

// again copies what was rendered before under a key; if nothing was it returns false.
func (w *writer) again(k dcKind, number int32) bool {
	at, ok := w.spans[uint64(k)<<32|uint64(uint32(number))]
	if ok {
		w.buf = append(w.buf, w.buf[at.from:at.to]...)
	}
	return ok
}

func (w *writer) remember(k dcKind, number int32, from int) {
	if w.spans == nil {
		w.spans = map[uint64]span{}
	}
	w.spans[uint64(k)<<32|uint64(uint32(number))] = span{from, len(w.buf)}
}

// text appends JSON that needs no escaping.
func (w *writer) text(parts ...string) {
	for _, p := range parts {
		w.buf = append(w.buf, p...)
	}
}

// selfLink writes the list form that links have here (FACTS 155). The parts are URL text already.
func (w *writer) selfLink(parts ...string) {
	w.text(`"self":[{"href":"`)
	w.text(parts...)
	w.text(`"}]`)
}

func (w *writer) dcUser(u *user) {
	if w.again(dcUserKind, u.number) {
		return
	}
	from := len(w.buf)
	w.dcUserKeys(u)
	w.buf = append(w.buf, '}')
	w.remember(dcUserKind, u.number, from)
}

// dcUserKeys leaves the object open for more.
func (w *writer) dcUserKeys(u *user) {
	w.buf = append(w.buf, '{')
	w.str("name", u.login)
	switch {
	case u.service:
	case u.gone:
		w.null("emailAddress")
	default:
		w.str("emailAddress", u.email)
	}
	w.boolean("active", !u.gone)
	w.str("displayName", u.name)
	w.integer("id", int64(u.number))
	w.str("slug", u.slug)
	kind := "NORMAL"
	if u.service {
		kind = "SERVICE"
	}
	w.parts("type", kind)
	w.text(`,"links":{`)
	w.selfLink(w.site, "/users/", url.PathEscape(u.slug))
	w.buf = append(w.buf, '}')
}

func (w *writer) dcProject(p *project) {
	if w.again(dcProjectKind, p.number) {
		return
	}
	from := len(w.buf)
	w.buf = append(w.buf, '{')
	w.str("key", p.key)
	w.integer("id", int64(p.number))
	w.str("name", p.name)
	if p.owner != nil {
		w.text(`,"type":"PERSONAL","owner":`)
		w.dcUser(p.owner)
	} else {
		if p.desc != "" {
			w.str("description", p.desc)
		}
		w.boolean("public", !p.private)
		w.parts("type", "NORMAL")
	}
	w.text(`,"links":{`)
	w.selfLink(w.site, p.path())
	w.text("}}")
	w.remember(dcProjectKind, p.number, from)
}

// path is where people find a project.
func (p *project) path() string {
	if p.owner != nil {
		return "/users/" + url.PathEscape(p.owner.slug)
	}
	return "/projects/" + p.key
}

func (r *repo) path() string { return r.project.path() + "/repos/" + r.slug }

func (w *writer) dcRepo(r *repo) {
	if w.again(dcRepoKind, r.number) {
		return
	}
	from := len(w.buf)
	w.buf = append(w.buf, '{')
	w.parts("slug", r.slug)
	w.integer("id", int64(r.number))
	w.str("name", r.name)
	if r.desc != "" {
		w.str("description", r.desc)
	}
	if w.version.hierarchies() {
		root := r
		for root.parent != nil {
			root = root.parent
		}
		w.buf = append(w.buf, `,"hierarchyId":"`...)
		for _, b := range root.id[:10] {
			w.buf = append(w.buf, hexDigits[b>>4], hexDigits[b&15])
		}
		w.buf = append(w.buf, '"')
	}
	w.text(`,"scmId":"git","state":"AVAILABLE","statusMessage":"Available","forkable":true`)
	if r.parent != nil {
		w.text(`,"origin":`)
		w.dcRepo(r.parent)
	}
	w.text(`,"project":`)
	w.dcProject(r.project)
	w.boolean("public", !r.private)
	if w.version.archives() {
		w.boolean("archived", r.archived)
	}
	key := strings.ToLower(r.ws.slug)
	w.text(`,"links":{"clone":[{"href":"`, w.site, "/scm/", key, "/", r.slug, `.git","name":"http"}`)
	if w.ssh != "" {
		w.text(`,{"href":"`, w.ssh, "/", key, "/", r.slug, `.git","name":"ssh"}`)
	}
	w.text("],")
	w.selfLink(w.site, r.path(), "/browse")
	w.text("}}")
	w.remember(dcRepoKind, r.number, from)
}
