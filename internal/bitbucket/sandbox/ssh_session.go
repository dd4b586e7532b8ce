package sandbox

import (
	"bufio"
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// sshSession is one channel of a connection, on which one command runs.
type sshSession struct {
	s        *Sandbox
	key      string // its name; the key itself may be gone by now
	channel  ssh.Channel
	protocol []string        // environment of git
	running  *sync.WaitGroup // for what ends only with the channel or the connection
}

// serve answers the client's requests until one of them runs a command.
func (t *sshSession) serve(ctx context.Context, requests <-chan *ssh.Request) {
	defer func() { _ = t.channel.Close() }()
	for r := range requests {
		switch r.Type {
		case "env":
			var v struct{ Name, Value string }
			ok := ssh.Unmarshal(r.Payload, &v) == nil && v.Name == "GIT_PROTOCOL" && (v.Value == "version=1" || v.Value == "version=2")
			if ok {
				t.protocol = []string{"GIT_PROTOCOL=" + v.Value}
			}
			_ = r.Reply(ok, nil)
		case "exec", "shell":
			var v struct{ Command string }
			if r.Type == "exec" && ssh.Unmarshal(r.Payload, &v) != nil {
				_ = r.Reply(false, nil)
				return
			}
			_ = r.Reply(true, nil)
			t.running.Go(func() { ssh.DiscardRequests(requests) })
			status := uint32(0)
			if r.Type == "shell" {
				t.say("authenticated via ssh key.\n\nYou can use git to connect to Bitbucket. Shell access is disabled")
			} else if refusal := t.run(ctx, v.Command); refusal != "" {
				t.say(refusal)
				status = 128 // as git's own
			}
			_, _ = t.channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
			return
		default: // pty, subsystem, agent and whatever else
			_ = r.Reply(false, nil)
		}
	}
}

func (t *sshSession) say(text string) { _, _ = io.WriteString(t.channel.Stderr(), text+"\n") }

// sshCommand is what a client may run: one of git's two services on one path.
type sshCommand struct {
	service string // without "git-"
	path    string
}

// parseSSHCommand reads git-upload-pack or git-receive-pack with exactly one path in single quotes, as git writes it.
// Nothing of it ever reaches a shell.
func parseSSHCommand(command string) (sshCommand, bool) {
	service, rest, _ := strings.Cut(command, " ")
	c := sshCommand{service: strings.TrimPrefix(service, "git-")}
	if service != "git-upload-pack" && service != "git-receive-pack" {
		return c, false
	}
	path, ok := unquote(rest)
	c.path = path
	return c, ok
}

// unquote undoes git's quoting: everything stands in single quotes, except that ' and ! are written \' and \!
// between two such pieces.
func unquote(s string) (string, bool) {
	var out strings.Builder
	for {
		if s == "" || s[0] != '\'' {
			return "", false
		}
		piece, rest, ok := strings.Cut(s[1:], "'")
		if !ok {
			return "", false
		}
		out.WriteString(piece)
		if s = rest; s == "" {
			return out.String(), true
		}
		if len(s) < 3 || s[0] != '\\' || s[1] != '\'' && s[1] != '!' {
			return "", false
		}
		out.WriteByte(s[1])
		s = s[2:]
	}
}

// owned splits a path into the owner's name and the repository's.
func (c sshCommand) owned() (owner, name string, ok bool) {
	owner, name, ok = strings.Cut(strings.TrimSuffix(strings.Trim(c.path, "/"), ".git"), "/")
	return owner, name, ok && owner != "" && name != "" && !strings.Contains(name, "/")
}

// run does what a command asks for and returns "" or why it is refused.
func (t *sshSession) run(ctx context.Context, text string) string {
	c, ok := parseSSHCommand(text)
	if !ok {
		return "Only git-upload-pack and git-receive-pack with one quoted path can be run here."
	}
	a, refusal := t.admit(ctx, c)
	if refusal != "" {
		return refusal
	}
	if c.service == "receive-pack" {
		return t.takePush(ctx, a)
	}
	return t.upload(ctx, a)
}

// access is a repository that a caller may use with one of git's services, with the user who acts; nil for access
// keys of the Cloud.
type access struct {
	repo *repo
	disk *objects
	by   *user
}

// admit finds the repository, counts the session and says no where the key may not. In the Cloud a session is a git
// operation like any other (FACTS 38); Data Center does not limit SSH (FACTS 141).
func (t *sshSession) admit(ctx context.Context, c sshCommand) (access, string) {
	s := t.s
	write := c.service == "receive-pack"
	owner, name, ok := c.owned()
	if !ok {
		return access{}, "The path of a repository is /{workspace}/{repo}.git or /{key}/{slug}.git."
	}
	f := s.faults.take("SSH", "/"+owner+"/"+name+".git")
	if f != nil && f.Kind == FaultSlow {
		linger(ctx, f.Delay)
		f = nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	key := s.sshKey(t.key)
	if key == nil {
		return access{}, "The key is not known any more."
	}
	inCloud := s.world.workspace(owner) != nil
	limited, endpoint := f != nil && f.limited(), "SSH git-"+c.service+" /{projectKey}/{repositorySlug}.git"
	if inCloud {
		endpoint = "SSH git-" + c.service + " /{workspace}/{repo_slug}.git"
		limited = limited || s.opts.RateLimit && !s.limits.take(key.Name, "git", s.limits.limits.Git, s.clock()).ok
	}
	s.stats.count(endpoint, key.Name, limited)
	switch {
	case limited:
		return access{}, "Rate limit for this resource has been exceeded"
	case f != nil:
		return access{}, "Something went wrong"
	case inCloud:
		return s.sshCloud(key, owner, name, write)
	}
	who := s.dcReach(key)
	if who == nil {
		return access{}, dcNoGit
	}
	return s.dcGitRepository(who, owner, name, write)
}

// sshCloud finds a repository of the Cloud for a key, or says why it is refused.
func (s *Sandbox) sshCloud(key *sshKey, workspace, name string, write bool) (access, string) {
	r := s.world.workspace(workspace).find(name)
	if r == nil || !key.cloud.sees(r) {
		return access{}, "Repository not found"
	}
	if write && (key.ReadOnly || !key.cloud.writes(r)) {
		return access{}, "You are not permitted to push to this repository: the key is read-only here."
	}
	d, err := s.disk(r)
	if err != nil {
		return access{}, "The repository cannot be written: " + err.Error()
	}
	return access{r, d, key.cloud.user}, ""
}

// writes says whether a caller is more than one of the public.
func (c *credential) writes(r *repo) bool {
	return !r.ws.outside && c.seesWorkspace(r.ws) && (!c.narrowed() || c.projects[r.project] || c.repos[r])
}

// linger waits until the time is over or the session is.
func linger(ctx context.Context, d time.Duration) {
	w := time.NewTimer(d)
	defer w.Stop()
	select {
	case <-w.C:
	case <-ctx.Done():
	}
}

// upload lets git send a repository. Git reports its own failures to the client.
func (t *sshSession) upload(ctx context.Context, a access) string {
	cmd := gitCommand(ctx, a.disk.dir, "upload-pack", "--timeout=300", a.disk.dir)
	cmd.Env = append(cmd.Env, t.protocol...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = t.channel, t.channel.Stderr(), 5*time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return "git cannot be run: " + err.Error()
	}
	if err := cmd.Start(); err != nil {
		return "git cannot be run: " + err.Error()
	}
	// The client may keep its side open after git is done, so nobody waits for the end of its input here.
	t.running.Go(func() {
		_, _ = io.Copy(in, t.channel)
		_ = in.Close()
	})
	if err := cmd.Wait(); err != nil {
		return "git upload-pack: " + err.Error()
	}
	return ""
}

// takePush offers the refs, reads the push whole and takes it as one over HTTP.
func (t *sshSession) takePush(ctx context.Context, a access) string {
	cmd := gitCommand(ctx, a.disk.dir, "receive-pack", "--stateless-rpc", "--advertise-refs", a.disk.dir)
	cmd.Env = append(cmd.Env, t.protocol...)
	refs, err := cmd.Output()
	if err != nil {
		return "git receive-pack failed: " + err.Error()
	}
	if _, err := t.channel.Write(refs); err != nil {
		return ""
	}
	push, err := newSpool(a.disk)
	if err != nil {
		return "The push cannot be kept: " + err.Error()
	}
	defer push.discard()
	wanted, err := copyPush(push, bufio.NewReaderSize(t.channel, 64<<10))
	if err != nil {
		return "The push broke off: " + err.Error()
	}
	if !wanted {
		return "" // everything is up to date
	}
	report, err := t.s.takePush(ctx, a.repo, a.disk, push, a.by)
	if err != nil {
		return err.Error()
	}
	_, _ = t.channel.Write(report)
	return ""
}
