package sandbox

import (
	"maps"
	"net/http"
	"strings"
)

// dcNoGit is what git says of a repository that does not exist for the caller.
const dcNoGit = "Repository not found\nThe requested repository does not exist, or you do not have permission to access it."

// serveDCGit answers git over HTTP at /scm/{key}/{slug}.git (FACTS 155), with passwords and users' tokens as Basic and
// every token as Bearer (FACTS 111).
func (s *Sandbox) serveDCGit(rw http.ResponseWriter, req *http.Request, path string) {
	p, _ := splitGit(strings.TrimPrefix(path, "/scm"))
	service := p.tail
	if service == "info/refs" {
		service = req.URL.Query().Get("service")
	}
	endpoint := req.Method + " /scm/{projectKey}/{repositorySlug}.git/" + p.tail
	if f := s.faults.take(req.Method, "/dc"+path); f != nil && f.before(rw, req) {
		s.stats.count(endpoint, "", f.limited())
		return
	}
	c := &call{s: s, req: req, path: path, before: "/dc", route: &route{name: endpoint, need: dcAnyone}, dc: s.dc()}
	f := c.admitDC(rw.Header())
	name := ""
	if c.who != nil {
		name = c.who.Name
	}
	s.stats.count(endpoint, name, f != nil && f.status == http.StatusTooManyRequests)
	if f == nil {
		f = c.dcGit(rw, p, service)
	} else if f.status == http.StatusUnauthorized {
		f = dcGitLogin(f.header)
	}
	writeGitFailure(rw, f)
}

func (c *call) dcGit(rw http.ResponseWriter, p gitPath, service string) *failure {
	s := c.s
	s.mu.RLock()
	d, refusal := s.dcGitRepository(c.who, p.workspace, p.repo, service == "git-receive-pack")
	s.mu.RUnlock()
	switch {
	case refusal == "":
	case c.who == nil:
		return dcGitLogin(nil)
	case refusal == dcNoGit:
		return plainText(http.StatusNotFound, refusal)
	default:
		return plainText(http.StatusForbidden, refusal)
	}
	g := gitService{name: service, tail: p.tail, repo: d.repo, disk: d.disk}
	if c.who != nil {
		g.by = c.who.user
	}
	return s.serveService(rw, c.req, g)
}

// dcGitRepository finds a repository for one of git's services, or says why it is refused. Nil is an anonymous caller.
// The caller holds the lock of the world.
func (s *Sandbox) dcGitRepository(who *dcCredential, key, slug string, write bool) (access, string) {
	r := s.dcRepo(key, slug)
	switch {
	case r == nil || !who.sees(r):
		return access{}, dcNoGit
	case write && r.archived && s.dc().version.archives():
		return access{}, "The repository is archived and cannot be pushed to."
	case write && (who == nil || who.on(r) < dcWrite):
		return access{}, "You are not permitted to push to this repository."
	}
	d, err := s.disk(r)
	if err != nil {
		return access{}, "The repository cannot be written: " + err.Error()
	}
	a := access{repo: r, disk: d}
	if who != nil {
		a.by = who.user
	}
	return a, ""
}

// dcGitLogin asks for a password, in words that git shows; headers such as that of a CAPTCHA stay.
func dcGitLogin(header map[string]string) *failure {
	f := plainText(http.StatusUnauthorized, "Authentication failed. Please check your credentials and try again.")
	f.header = map[string]string{"WWW-Authenticate": `Basic realm="Atlassian Bitbucket"`}
	maps.Copy(f.header, header)
	return f
}
