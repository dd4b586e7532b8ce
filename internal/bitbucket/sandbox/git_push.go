package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// spool is a push on disk. It is read whole before the world is locked, so that a slow client holds nobody up.
type spool struct{ *os.File }

func newSpool(d *objects) (spool, error) {
	f, err := os.CreateTemp(d.dir, "push-")
	return spool{f}, err
}

func (s spool) discard() {
	_ = s.Close()
	_ = os.Remove(s.Name())
}

// takePush lets git take a push that has arrived, with the world locked until REST has learned what changed, so both
// always agree. It returns git's report to the client.
func (s *Sandbox) takePush(ctx context.Context, r *repo, d *objects, push spool, by *user) ([]byte, error) {
	if _, err := push.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	// A client that goes away must not stop git between unpacking and moving refs.
	ctx = context.WithoutCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := d.flush(r, r.ws.world.graph(r)); err != nil { // what has happened since the push came in
		return nil, err
	}
	cmd := gitCommand(ctx, d.dir, "receive-pack", "--stateless-rpc", d.dir)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout = push, &out
	runErr := cmd.Run()
	if err := s.learn(ctx, r, d, by); err != nil {
		return nil, err
	}
	if runErr != nil && out.Len() == 0 {
		return nil, fmt.Errorf("git receive-pack failed: %w", runErr)
	}
	return out.Bytes(), nil
}

// learn reads the refs of a repository back and applies what a push changed.
func (s *Sandbox) learn(ctx context.Context, r *repo, d *objects, by *user) error {
	g := r.ws.world.graph(r)
	out, err := gitOutput(ctx, d.dir, nil, "for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", "refs/heads", "refs/tags")
	if err != nil {
		return err
	}
	branches, tags, objects, tips := map[string]hash{}, map[string]hash{}, map[string]hash{}, []hash{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		h, ok := parseHash(f[len(f)-1]) // the peeled object of an annotated tag comes last
		if !ok {
			continue
		}
		if name, ok := strings.CutPrefix(f[0], "refs/heads/"); ok {
			branches[name] = h
		} else {
			name := strings.TrimPrefix(f[0], "refs/tags/")
			tags[name] = h
			if object, ok := parseHash(f[1]); ok && len(f) == 3 {
				objects[name] = object
			}
		}
		if g.get(h) == nil {
			tips = append(tips, h)
		}
	}
	if len(tips) > 0 {
		found, err := d.readLog(ctx, tips, g.heads())
		if err != nil {
			return err
		}
		r.ws.world.adopt(g, found)
	}
	at := s.now()
	var followed []news
	for _, name := range slices.Sorted(maps.Keys(branches)) {
		if h := branches[name]; g.branches[name] != h {
			followed = append(followed, s.moved(r, name, h, by, at)...)
		}
	}
	if r.empty && len(branches) > 0 {
		r.empty = false
		if _, ok := branches[r.main]; !ok {
			for name := range branches {
				r.main = name
			}
		}
	}
	pushed := append(moves(g.branches, branches, false), moves(g.tags, tags, true)...)
	g.branches, g.tags, g.objects = branches, tags, objects
	r.updated = at
	s.tellPush(r, by, pushed)
	for _, n := range followed {
		s.tellPull(prPushed, n)
	}
	return d.saveRefs(r, g)
}

// adopt adds commits that git reported, parents first, and finds their authors' accounts.
func (w *world) adopt(g *graph, found []logged) {
	byEmail := map[string]*user{}
	for _, u := range w.users {
		byEmail[u.email] = u
	}
	for _, f := range slices.Backward(found) {
		c := f.commit
		c.author.user = byEmail[strings.ToLower(c.author.email)]
		c.committer.user = byEmail[strings.ToLower(c.committer.email)]
		g.commit(c)
	}
}
