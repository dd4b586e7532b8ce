package sandbox

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// gitPath is a request of git's smart HTTP protocol: /{workspace}/{repo}.git/{service}.
type gitPath struct {
	workspace, repo, tail string
}

func splitGit(path string) (gitPath, bool) {
	name, tail, ok := strings.Cut(path, ".git/")
	segs := strings.Split(strings.TrimPrefix(name, "/"), "/")
	if !ok || len(segs) != 2 {
		return gitPath{}, false
	}
	for i, s := range segs {
		u, err := url.PathUnescape(s)
		if err != nil {
			return gitPath{}, false
		}
		segs[i] = u
	}
	switch tail {
	case "info/refs", "git-upload-pack", "git-receive-pack":
		return gitPath{segs[0], segs[1], tail}, true
	}
	return gitPath{}, false
}

func (s *Sandbox) isGit(path string) bool {
	_, ok := splitGit(path)
	return ok
}

// serveGit answers git over HTTP (FACTS 11, 15 and 101) by the git command.
func (s *Sandbox) serveGit(rw http.ResponseWriter, req *http.Request, path string) {
	p, _ := splitGit(path)
	service := p.tail
	if service == "info/refs" {
		service = req.URL.Query().Get("service")
	}
	endpoint := req.Method + " /{workspace}/{repo_slug}.git/" + p.tail
	if f := s.faults.take(req.Method, path); f != nil && f.before(rw, req) {
		s.stats.count(endpoint, "", f.limited())
		return
	}
	cred, f := s.admitGit(req, service == "git-receive-pack")
	name := ""
	if cred != nil {
		name = cred.Name
	}
	s.stats.count(endpoint, name, f != nil && f.status == http.StatusTooManyRequests)
	if f == nil {
		f = s.runGit(rw, req, p, service, cred)
	}
	writeGitFailure(rw, f)
}

func writeGitFailure(rw http.ResponseWriter, f *failure) {
	if f == nil {
		return
	}
	for k, v := range f.header {
		rw.Header().Set(k, v)
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.WriteHeader(f.status)
	_, _ = io.WriteString(rw, f.body+"\n")
}

// admitGit accepts `x-token-auth` with an OAuth or access token, an API token behind any user name, and Bearer.
func (s *Sandbox) admitGit(req *http.Request, write bool) (*credential, *failure) {
	cred, f := s.gitCredential(req)
	if f != nil || cred == nil {
		return nil, f
	}
	if s.opts.RateLimit {
		now := s.clock()
		if v := s.limits.take(cred.Name, "git", s.limits.limits.Git, now); !v.ok {
			return cred, tooMany(s.limits.limits, v.wait, now)
		}
	}
	need := "repository"
	if write {
		need = "repository:write"
	}
	if cred.Kind == APIToken {
		need = "read:repository:bitbucket"
		if write {
			need = "write:repository:bitbucket"
		}
	}
	if !cred.granted[need] {
		return cred, plainText(http.StatusForbidden, "Your credentials lack one or more required privilege scopes.")
	}
	return cred, nil
}

func (s *Sandbox) gitCredential(req *http.Request) (*credential, *failure) {
	name, password, ok := req.BasicAuth()
	if !ok {
		cred, _, f := s.identify(req)
		return cred, f
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if name == "x-token-auth" {
		c, f := s.bearer(password)
		if f != nil {
			return nil, gitLogin()
		}
		cp := *c
		return &cp, nil
	}
	for _, c := range s.creds {
		if c.Kind == APIToken && c.Secret == password && c.dead() == nil {
			cp := *c
			return &cp, nil
		}
	}
	return nil, gitLogin()
}

func gitLogin() *failure {
	f := plainText(http.StatusUnauthorized, "Invalid credentials")
	f.header = map[string]string{"WWW-Authenticate": `Basic realm="Bitbucket.org HTTP"`}
	return f
}

func (s *Sandbox) runGit(rw http.ResponseWriter, req *http.Request, p gitPath, service string, cred *credential) *failure {
	s.mu.RLock()
	r, d, f := s.gitRepository(p, cred)
	s.mu.RUnlock()
	if f != nil {
		return f
	}
	if cred == nil && service == "git-receive-pack" {
		return gitLogin()
	}
	g := gitService{name: service, tail: p.tail, repo: r, disk: d}
	if cred != nil {
		g.by = cred.user
	}
	return s.serveService(rw, req, g)
}

// gitService is one request to one of git's two services, by somebody who may.
type gitService struct {
	name string // git-upload-pack or git-receive-pack
	tail string // of the path: info/refs, or the name again
	repo *repo
	disk *objects
	by   *user
}

func (s *Sandbox) serveService(rw http.ResponseWriter, req *http.Request, g gitService) *failure {
	if g.name != "git-upload-pack" && g.name != "git-receive-pack" {
		return plainText(http.StatusForbidden, "Only the smart HTTP protocol is spoken here.")
	}
	rw.Header().Set("Cache-Control", "no-cache, max-age=0, must-revalidate")
	command, dir := strings.TrimPrefix(g.name, "git-"), g.disk.dir
	if g.tail == "info/refs" {
		rw.Header().Set("Content-Type", "application/x-"+g.name+"-advertisement")
		cmd := gitCommand(req.Context(), dir, command, "--stateless-rpc", "--advertise-refs", dir)
		cmd.Env = append(cmd.Env, protocol(req)...)
		out, err := cmd.Output()
		if err != nil {
			return plainText(http.StatusInternalServerError, "git "+command+" failed: "+err.Error())
		}
		if req.Header.Get("Git-Protocol") != "version=2" || g.name == "git-receive-pack" {
			line := "# service=" + g.name + "\n"
			_, _ = fmt.Fprintf(rw, "%04x%s0000", len(line)+4, line)
		}
		_, _ = rw.Write(out)
		return nil
	}
	body, err := requestBody(rw, req)
	if err != nil {
		return plainText(http.StatusBadRequest, "The body cannot be read: "+err.Error())
	}
	rw.Header().Set("Content-Type", "application/x-"+g.name+"-result")
	if g.name == "git-receive-pack" {
		return s.receive(rw, req, g, body)
	}
	cmd := gitCommand(req.Context(), dir, command, "--stateless-rpc", dir)
	cmd.Env = append(cmd.Env, protocol(req)...)
	cmd.Stdin, cmd.Stdout = body, rw
	_ = cmd.Run() // git reports its failures to the client inside the protocol
	return nil
}

func protocol(req *http.Request) []string {
	if v := req.Header.Get("Git-Protocol"); v == "version=2" || v == "version=1" {
		return []string{"GIT_PROTOCOL=" + v}
	}
	return nil
}

func requestBody(rw http.ResponseWriter, req *http.Request) (io.Reader, error) {
	body := io.Reader(http.MaxBytesReader(rw, req.Body, 2<<30))
	if req.Header.Get("Content-Encoding") == "gzip" {
		return gzip.NewReader(body)
	}
	return body, nil
}

// gitRepository finds the repository of a git URL and makes sure that it is on disk.
func (s *Sandbox) gitRepository(p gitPath, cred *credential) (*repo, *objects, *failure) {
	var r *repo
	if ws := s.world.workspace(p.workspace); ws != nil {
		r = ws.find(p.repo)
	}
	if r == nil || !cred.sees(r) {
		if cred == nil {
			return nil, nil, gitLogin()
		}
		return nil, nil, plainText(http.StatusNotFound, "Repository not found")
	}
	d, err := s.disk(r)
	if err != nil {
		return nil, nil, plainText(http.StatusInternalServerError, "The repository cannot be written: "+err.Error())
	}
	return r, d, nil
}

// receive takes a push.
func (s *Sandbox) receive(rw http.ResponseWriter, req *http.Request, g gitService, body io.Reader) *failure {
	spool, err := newSpool(g.disk)
	if err != nil {
		return plainText(http.StatusInternalServerError, err.Error())
	}
	defer spool.discard()
	if _, err := io.Copy(spool, body); err != nil {
		return plainText(http.StatusBadRequest, "The push broke off: "+err.Error())
	}
	report, err := s.takePush(req.Context(), g.repo, g.disk, spool, g.by)
	if err != nil {
		return plainText(http.StatusInternalServerError, err.Error())
	}
	_, _ = rw.Write(report)
	return nil
}
